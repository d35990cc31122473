package audio

import (
	"fmt"
	"slices"

	"clr/internal/fault"
)

// sizeLimit bounds lengths that a config gives, in samples or bins.
const sizeLimit = 1 << 20

// A rule is a condition on one setting.
type rule struct {
	kept    bool
	setting string
	message string // value and remedy, after the setting's name
}

func oneOf(setting, value string, names ...string) rule {
	return rule{slices.Contains(names, value), setting, fmt.Sprintf("is %q, set it to one of %q", value, names)}
}

// broken is the first rule that is not kept, as an error.
func broken(rules []rule) error {
	for _, r := range rules {
		if !r.kept {
			return fault.New(fault.Usage, "", "feature.%s %s", r.setting, r.message)
		}
	}
	return nil
}

// weightsLimit bounds the memory of all of a feature's filters, to some hundreds
// of MB at most.
const weightsLimit = 1 << 23

// weightsRule bounds filters that weigh all bins of a spectrum.
func weightsRule(setting string, filters, nfft int) rule {
	return rule{filters*(nfft/2+1) <= weightsLimit, setting,
		fmt.Sprintf("is %d: with n_fft = %d that is more than %d weights; set one of them lower", filters, nfft, weightsLimit)}
}
