package audio

// G.711 packs a sample's sign, exponent and four bits of its mantissa into a
// byte (ITU-T G.711, 1988). Mu-law gives 14 bits, A-law 13; both stand in
// the high bits of 16 here, as in libsndfile and sox.

var mulawTable, alawTable = g711Tables()

func g711Tables() (mulaw, alaw [256]float32) {
	for i := range 256 {
		b := ^byte(i) // all bits are sent inverted
		v := int(b&15)<<3 + 0x84
		v = v<<(b>>4&7) - 0x84
		if b&0x80 != 0 {
			v = -v
		}
		mulaw[i] = float32(v) / (1 << 15)

		a := byte(i) ^ 0x55 // every other bit is sent inverted
		v = int(a&15)<<4 + 8
		if e := a >> 4 & 7; e > 0 {
			v = (v + 0x100) << (e - 1)
		}
		if a&0x80 == 0 {
			v = -v
		}
		alaw[i] = float32(v) / (1 << 15)
	}
	return mulaw, alaw
}
