package pipeline

import (
	"testing"

	"clr/internal/browsertest"
)

// lookAt asks of a report in a browser what a person would see.
func lookAt(t *testing.T, file string, clips, probes int) {
	b := browsertest.Open(t, "file://"+file)
	for expression, want := range map[string]int{
		`document.querySelectorAll("svg.map").length`:                                                                                 2,
		`document.querySelectorAll("svg.map circle").length`:                                                                          2 * clips,
		`document.querySelectorAll(".probe").length`:                                                                                  probes,
		`document.querySelectorAll("table.matrix").length`:                                                                            probes,
		`document.querySelectorAll("table.classes").length`:                                                                           probes,
		`document.querySelectorAll("#map .legend i").length`:                                                                          10,
		`document.querySelectorAll("table.near tr").length`:                                                                           10,
		`document.querySelectorAll("table.near td").length`:                                                                           50,
		`document.querySelectorAll("#made pre").length`:                                                                               1,
		`[...document.querySelectorAll("circle")].filter(c => !(c.cx.baseVal.value > 0 && c.cx.baseVal.value < 640)).length`:          0,
		`[...document.querySelectorAll(".chart")].filter(c => c.getBoundingClientRect().height < 100).length`:                         0,
		`[...document.querySelectorAll(".chart .curve")].filter(c => !(c.getTotalLength() >= 0) || c.getAttribute("d") == "").length`: 0,
	} {
		if got := browsertest.Evaluate[int](b, expression); got != want {
			t.Errorf("%s is %d, want %d", expression, got, want)
		}
	}
	if n := browsertest.Evaluate[int](b, `document.querySelectorAll(".chart").length`); n < 10 {
		t.Errorf("there are %d charts", n)
	}

	// A point plays, its neighbours play, and what plays has a length and comes to its end.
	b.Click(`figure.layout:not([hidden]) circle[data-i="3"]`)
	plays := func(what string) {
		t.Helper()
		b.Eventually(`document.querySelector("#player audio").ended`)
		if s := browsertest.Evaluate[float64](b, `document.querySelector("#player audio").duration`); !(s > 0.1 && s < 30) {
			t.Errorf("%s: a sound of %g s", what, s)
		}
		if !browsertest.Evaluate[bool](b, `document.querySelector("#player audio").error === null && !document.querySelector("#player").hidden`) {
			t.Errorf("%s: nothing plays", what)
		}
	}
	plays("a point")
	if n := browsertest.Evaluate[int](b, `document.querySelectorAll("#chosen .clip").length`); n != 5 {
		t.Errorf("%d neighbours are shown of a point", n)
	}
	b.Click("#chosen .clip:nth-of-type(2)")
	plays("a neighbour")
	if browsertest.Evaluate[string](b, `document.querySelector("#playing").textContent`) == "" {
		t.Error("it is not said what plays")
	}
	b.Click("table.near td .clip")
	plays("the table")

	// What is pressed shows.
	b.Click(`[data-layout="1"]`)
	if !browsertest.Evaluate[bool](b, `document.querySelectorAll("figure.layout")[0].hidden && !document.querySelectorAll("figure.layout")[1].hidden`) {
		t.Error("the other layout is not shown")
	}
	b.Click(`[data-class="2"]`)
	if got := browsertest.Evaluate[int](b, `document.querySelectorAll("figure.layout:not([hidden]) circle.in").length`); got == 0 || got == clips {
		t.Errorf("a label picks %d of %d clips", got, clips)
	}
	b.Click(`[data-class="2"]`)
	b.Click(`[data-layout="0"]`)

	b.Fits("report")
}
