package strict

import (
	"errors"
	"io/fs"
	"os"

	"clr/internal/fault"
)

// ReadFile reads the file of a kind, such as a sweep, if it is regular and not too
// large. The remedies are for a file that is not there, and for one of another kind.
func ReadFile(path, kind, missing, remedy string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Usage, missing, "there is no %s %s", kind, path)
	case err == nil && !info.Mode().IsRegular(): // a pipe may never end
		return nil, fault.New(fault.Usage, remedy, "%s is not a regular file", path)
	case err == nil && info.Size() > MaxSize:
		return nil, fault.New(fault.Usage, remedy, "%s has %d bytes, a %s at most %d", path, info.Size(), kind, MaxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, remedy+" that may be read", "%s: %w", kind, err)
	}
	return text, nil
}
