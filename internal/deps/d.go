package deps
import (
 _ "github.com/spf13/cobra"
 _ "github.com/spf13/viper"
 _ "github.com/goccy/go-yaml"
 _ "github.com/go-audio/wav"
 _ "github.com/mjibson/go-dsp/fft"
 _ "github.com/mjibson/go-dsp/window"
 _ "github.com/mewkiz/flac"
 _ "gonum.org/v1/gonum/optimize"
 _ "github.com/rogpeppe/go-internal/testscript"
 _ "golang.org/x/sys/unix"
 _ "golang.org/x/sys/cpu"
 _ "gorgonia.org/gorgonia"
 _ "gorgonia.org/tensor"
 _ "github.com/chewxy/hm"
)
