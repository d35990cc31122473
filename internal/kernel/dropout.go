package kernel

// Dropout computes y = x/(1-rate), or 0 with probability rate: value i by a
// number that (key, step, i) alone decides. y may be x.
func Dropout(y, x []float32, rate float64, key, step uint64) {
	check(len(y) == len(x), "Dropout", "lengths differ")
	share(&dropTasks, (len(x)+pieceSize-1)/pieceSize, dropTask{y: y, x: x, key: scatter64(key + scatter64(step)),
		least: uint64(rate * (1 << 32)), scale: float32(1 / (1 - rate))})
}

// A dropTask's items are pieces.
type dropTask struct {
	y, x       []float32
	key, least uint64 // what is drawn below least, of 32 bits, drops
	scale      float32
}

var dropTasks stash[dropTask]

func (t *dropTask) Do(item int) {
	for i := item * pieceSize; i < min(len(t.x), (item+1)*pieceSize); i++ {
		v := t.x[i] * t.scale
		if scatter64(t.key+uint64(i)*0x9e3779b97f4a7c15)>>32 < t.least {
			v = 0
		}
		t.y[i] = v
	}
}

// scatter64 is the finaliser of SplitMix64 (Steele, Lea and Flood 2014): of
// numbers in a row it makes a random sequence.
func scatter64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
