// Package configs carries the configs that the binary itself runs.
package configs

import _ "embed"

// Quickstart is the demo's config.
//
//go:embed quickstart.yaml
var Quickstart []byte
