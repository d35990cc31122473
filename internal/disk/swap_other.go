//go:build !linux

package disk

import "errors"

func swap(a, b string) error { return errors.ErrUnsupported }
