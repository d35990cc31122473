//go:build amd64 && !purego

package kernel

//go:generate go -C _gen run . -group fourier -out ../fourier_amd64.s

// runFirst is firstTwin.
func runFirst(z, frames, window, twists []float32, n, leg int, half bool) {
	_ = z[(7*leg+n)*fourierRow-1]
	const row = 4 * fourierRow
	switch legs := 8; {
	case machine.isa == generic:
		firstTwin(z, frames, window, twists, n, leg, half)
	case half:
		legs = 4
		_, _, _ = frames[legs*n*fourierRow-1], window[2*legs*n-1], twists[14*n-1]
		if machine.isa == avx512 {
			fourierFirstHalfAVX512(&z[0], &frames[0], &window[0], &twists[0], n, n*row, leg*row)
		} else {
			fourierFirstHalfAVX2(&z[0], &frames[0], &window[0], &twists[0], n, n*row, leg*row)
		}
	default:
		_, _, _ = frames[legs*n*fourierRow-1], window[2*legs*n-1], twists[14*n-1]
		if machine.isa == avx512 {
			fourierFirstAVX512(&z[0], &frames[0], &window[0], &twists[0], n, n*row, leg*row)
		} else {
			fourierFirstAVX2(&z[0], &frames[0], &window[0], &twists[0], n, n*row, leg*row)
		}
	}
}

// runPass is passTwin.
func runPass(z, twists []float32, radix, n, leg, step int) {
	_ = z[((radix-1)*leg+(n-1)*step+1)*fourierRow-1]
	first := &z[0]
	leg, step = leg*4*fourierRow, step*4*fourierRow
	if machine.isa == generic {
		passTwin(z, twists, radix, n, leg/(4*fourierRow), step/(4*fourierRow))
		return
	}
	if twists == nil {
		switch wide := machine.isa == avx512; {
		case radix == 8 && wide:
			fourierEnd8AVX512(first, nil, n, leg, step)
		case radix == 8:
			fourierEnd8AVX2(first, nil, n, leg, step)
		case radix == 5 && wide:
			fourierEnd5AVX512(first, nil, n, leg, step)
		case radix == 5:
			fourierEnd5AVX2(first, nil, n, leg, step)
		case radix == 4 && wide:
			fourierEnd4AVX512(first, nil, n, leg, step)
		case radix == 4:
			fourierEnd4AVX2(first, nil, n, leg, step)
		case radix == 3 && wide:
			fourierEnd3AVX512(first, nil, n, leg, step)
		case radix == 3:
			fourierEnd3AVX2(first, nil, n, leg, step)
		case wide:
			fourierEnd2AVX512(first, nil, n, leg, step)
		default:
			fourierEnd2AVX2(first, nil, n, leg, step)
		}
		return
	}
	_ = twists[2*(radix-1)*n-1]
	t := &twists[0]
	switch wide := machine.isa == avx512; {
	case radix == 8 && wide:
		fourierPass8AVX512(first, t, n, leg, step)
	case radix == 8:
		fourierPass8AVX2(first, t, n, leg, step)
	case radix == 5 && wide:
		fourierPass5AVX512(first, t, n, leg, step)
	case radix == 5:
		fourierPass5AVX2(first, t, n, leg, step)
	case radix == 4 && wide:
		fourierPass4AVX512(first, t, n, leg, step)
	case radix == 4:
		fourierPass4AVX2(first, t, n, leg, step)
	case radix == 3 && wide:
		fourierPass3AVX512(first, t, n, leg, step)
	case radix == 3:
		fourierPass3AVX2(first, t, n, leg, step)
	case wide:
		fourierPass2AVX512(first, t, n, leg, step)
	default:
		fourierPass2AVX2(first, t, n, leg, step)
	}
}

// runPower is powerTwin.
func runPower(dst, z []float32, pairs []fourierPair) {
	h := 2 * (len(pairs) - 1)
	_ = dst[(h+1)*Lanes-1]
	switch machine.isa {
	case avx512:
		fourierPowerAVX512(&dst[0], &z[0], &pairs[0], len(pairs), h*Lanes*4)
	case avx2:
		fourierPowerAVX2(&dst[0], &z[0], &pairs[0], len(pairs), h*Lanes*4)
	default:
		powerTwin(dst, z, pairs)
	}
}

// runComplex is complexTwin.
func runComplex(dst, z []float32, pairs []fourierPair) {
	h := 2 * (len(pairs) - 1)
	_ = dst[(h+1)*fourierRow-1]
	switch machine.isa {
	case avx512:
		fourierComplexAVX512(&dst[0], &z[0], &pairs[0], len(pairs), h*fourierRow*4)
	case avx2:
		fourierComplexAVX2(&dst[0], &z[0], &pairs[0], len(pairs), h*fourierRow*4)
	default:
		complexTwin(dst, z, pairs)
	}
}

//go:noescape
func fourierFirstAVX2(z, frames, window, twists *float32, n, frameLeg, leg int)

//go:noescape
func fourierFirstHalfAVX2(z, frames, window, twists *float32, n, frameLeg, leg int)

//go:noescape
func fourierPass8AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd8AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass5AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd5AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass4AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd4AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass3AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd3AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass2AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd2AVX2(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPowerAVX2(dst, z *float32, pairs *fourierPair, n, last int)

//go:noescape
func fourierComplexAVX2(dst, z *float32, pairs *fourierPair, n, last int)

//go:noescape
func fourierFirstAVX512(z, frames, window, twists *float32, n, frameLeg, leg int)

//go:noescape
func fourierFirstHalfAVX512(z, frames, window, twists *float32, n, frameLeg, leg int)

//go:noescape
func fourierPass8AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd8AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass5AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd5AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass4AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd4AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass3AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd3AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPass2AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierEnd2AVX512(z, twists *float32, n, leg, step int)

//go:noescape
func fourierPowerAVX512(dst, z *float32, pairs *fourierPair, n, last int)

//go:noescape
func fourierComplexAVX512(dst, z *float32, pairs *fourierPair, n, last int)
