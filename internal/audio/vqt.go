package audio

import "fmt"

// VQT is the variable-Q transform (Schörkhuber, Klapuri, Holighaus and Dörfler
// 2014): a CQT whose filters are γ Hz wider, their windows
//
//	L_k = Q·rate/(f_k + γ/α)
//
// samples long, so that low bins follow faster. librosa.vqt's gamma of None is 0
// here, and its 0 is the feature cqt.
type VQT struct {
	CQT   `yaml:",inline"`
	Gamma float64 `yaml:"gamma" doc:"how much wider than constant Q all filters are, Hz; 0 is 24.7·α/0.108, proportional to the ear's (ERB)"`
}

// Doc describes the feature in one line.
func (o VQT) Doc() string {
	return "variable-Q transform: cqt with lower bins that are wider and faster"
}

// Check finds settings that make no feature of clips at a rate.
func (o VQT) Check(rate int) error {
	if err := broken([]rule{{o.Gamma >= 0 && o.Gamma <= float64(rate)/2, "gamma",
		fmt.Sprintf("is %v, set it from 0 to half the sample rate, %v", o.Gamma, float64(rate)/2)}}); err != nil {
		return err
	}
	return broken(o.rules(rate, o.gamma()))
}

// gamma is how much wider the filters are in Hz. An ERB is 24.7 + 0.108·f
// (Glasberg and Moore 1990), and with this default α·f + γ is α/0.108 of it.
func (o VQT) gamma() float64 {
	if o.Gamma == 0 {
		return 24.7 * o.alpha() / 0.108
	}
	return o.Gamma
}

// New readies the filters for clips of a rate.
func (o VQT) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	return o.widened(rate, o.gamma())
}
