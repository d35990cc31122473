//go:build !amd64 || purego

package kernel

func runRow(p *rowArgs) { rowTwin(p) }

func runAddLog(x, y []float32, gain, scale, back float32) { addLogTwin(x, y, gain, scale, back) }

func runSumExp(sums *[Lanes]float32, x []float32, top, scale float32) {
	sumExpTwin(sums, x, top, scale)
}

func runMax(tops *[Lanes]float32, x []float32) { maxTwin(tops, x) }
