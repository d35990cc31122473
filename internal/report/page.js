
"use strict";
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const player = document.getElementById("player"), audio = player.querySelector("audio");
	const playing = document.getElementById("playing"), chosen = document.getElementById("chosen");
	const all = (s, of = document) => [...of.querySelectorAll(s)];
	const sizes = [7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97,
		107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
		1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
		6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767];
	const changes = [-1, -1, -1, -1, 2, 4, 6, 8];

	// IMA ADPCM to a WAV file of 16 bits.
	function wav(text, rate) {
		const code = Uint8Array.from(atob(text), c => c.charCodeAt(0)), n = 2 * code.length;
		const v = new DataView(new ArrayBuffer(44 + 2 * n));
		const word = (at, s) => [...s].forEach((c, i) => v.setUint8(at + i, c.charCodeAt(0)));
		word(0, "RIFF"); v.setUint32(4, 36 + 2 * n, true); word(8, "WAVEfmt "); v.setUint32(16, 16, true);
		v.setUint16(20, 1, true); v.setUint16(22, 1, true); v.setUint32(24, rate, true); v.setUint32(28, 2 * rate, true);
		v.setUint16(32, 2, true); v.setUint16(34, 16, true); word(36, "data"); v.setUint32(40, 2 * n, true);
		let value = 0, index = 0;
		for (let i = 0; i < n; i++) {
			const c = code[i >> 1] >> 4 * (i & 1) & 15, step = sizes[index];
			let moved = step >> 3;
			if (c & 4) moved += step;
			if (c & 2) moved += step >> 1;
			if (c & 1) moved += step >> 2;
			value = Math.max(-32768, Math.min(32767, c & 8 ? value - moved : value + moved));
			index = Math.max(0, Math.min(88, index + changes[c & 7]));
			v.setInt16(44 + 2 * i, value, true);
		}
		return new Blob([v], { type: "audio/wav" });
	}

	const named = p => (p.c < 0 ? "" : data.classes[p.c] + " · ") + p.n;
	let url = "";
	function play(i) {
		const p = data.points[i];
		if (!p.a) return;
		if (url) URL.revokeObjectURL(url);
		audio.src = url = URL.createObjectURL(wav(p.a, data.rate));
		playing.textContent = named(p);
		player.hidden = false;
		audio.play();
	}

	function clip(i, cosine) {
		const p = data.points[i], b = document.createElement("button");
		b.type = "button"; b.className = "clip"; b.dataset.i = i;
		if (p.c >= 0) {
			const dot = document.createElement("i"), name = document.createElement("span");
			dot.style.setProperty("--c", data.shades[p.c]);
			name.textContent = data.classes[p.c];
			b.append(dot, name);
		}
		const path = document.createElement("span"), far = document.createElement("small");
		path.className = "path"; path.textContent = p.n;
		far.textContent = cosine === undefined ? "" : cosine.toFixed(2);
		b.append(path, far);
		return b;
	}

	function choose(i) {
		const p = data.points[i], near = new Set(p.k.map(k => String(k[0])));
		for (const c of all("svg.map circle")) {
			c.classList.toggle("on", c.dataset.i === String(i));
			c.classList.toggle("near", near.has(c.dataset.i));
		}
		const head = document.createElement("h3"), more = document.createElement("p");
		head.textContent = named(p);
		more.textContent = [p.s, p.a ? "" : "Its sound is not in this page."].filter(Boolean).join(" ");
		chosen.replaceChildren(head, more, ...p.k.map(k => clip(k[0], k[1])));
	}

	// The point that is nearest to where somebody pressed, for a finger is larger than a point.
	function under(map, e) {
		let best = null, least = 24;
		for (const c of all(map.classList.contains("some") ? "circle.in" : "circle", map)) {
			const box = c.getBoundingClientRect();
			const far = Math.hypot(box.x + box.width / 2 - e.clientX, box.y + box.height / 2 - e.clientY);
			if (far < least) [best, least] = [c, far];
		}
		return best;
	}

	document.addEventListener("click", e => {
		const map = e.target.closest("svg.map");
		const at = map ? under(map, e) : e.target.closest("[data-i]"), layout = e.target.closest("[data-layout]"), label = e.target.closest("[data-class]");
		if (at) {
			if (!chosen.contains(at)) choose(+at.dataset.i); // of the neighbours all can be heard in turn
			all(".clip").forEach(c => c.classList.toggle("on", c === at));
			play(+at.dataset.i);
		} else if (layout) {
			all("[data-layout]").forEach(b => b.setAttribute("aria-selected", b === layout));
			all("figure.layout").forEach((f, i) => f.hidden = i !== +layout.dataset.layout);
		} else if (label) {
			label.setAttribute("aria-pressed", label.getAttribute("aria-pressed") !== "true");
			const on = new Set(all("[data-class][aria-pressed=true]").map(b => b.dataset.class));
			for (const m of all("svg.map")) {
				m.classList.toggle("some", on.size > 0);
				all("circle", m).forEach(c => c.classList.toggle("in", on.has(c.dataset.c)));
			}
		}
	});
})();
