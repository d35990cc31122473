# Everything here needs Go alone, except where a target says so.
export CGO_ENABLED = 0
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build demo demo-check test race lint purego reference compare-torch ci
PYTHON ?= python3

build:          ## one static binary, ./clr
	go build -trimpath -o clr ./cmd/clr

demo:           ## the main job on bundled speech
	go run ./cmd/clr demo

demo-check:     ## the same, as a test of what the README says of it
	CLR_DEMO=1 go test ./internal/pipeline -run TestDemoBeats -v

test:           ## all tests
	go test ./...

race:           ## the concurrent parts under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race ./internal/kernel ./internal/exec ./internal/eval ./internal/audio ./internal/checkpoint ./internal/pipeline

lint:           ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l cmd configs internal)" || { echo "gofmt would change:"; gofmt -l cmd configs internal; exit 1; }
	go vet ./...
	GOFLAGS= go run $(STATICCHECK) ./...

purego:         ## the plain Go twins alone, and the machines that have nothing else
	go test -tags purego ./internal/kernel ./internal/op ./internal/exec ./internal/loss
	GOARCH=arm64 go vet ./...

reference:      ## rewrite configs/reference.yaml from the options in the code
	go run ./cmd/clr config reference > configs/reference.yaml.new && mv configs/reference.yaml.new configs/reference.yaml

compare-torch: build ## speed and memory beside PyTorch, which PYTHON must have; ROWS=simclr,embed for some rows
	$(PYTHON) bench/compare.py --clr ./clr $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(MALLOC),--malloc $(MALLOC))

ci:             ## what CI runs
	bash .ci/run
