# Everything here needs Go alone, except where a target says so.
export CGO_ENABLED = 0
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build demo demo-check test race lint purego arm64 soak fuzz reference pictures compare-torch compare-sklearn interop slurm kubernetes ci
PYTHON ?= python3

build:          ## one static binary, ./clr
	go build -trimpath -o clr ./cmd/clr

demo:           ## the main job on bundled speech
	go run ./cmd/clr demo

demo-check:     ## the same, as a test of what the README says of it
	CLR_DEMO=1 go test ./internal/pipeline -run TestDemoBeats -v

test:           ## all tests
	go test ./...

# Tests of what is computed, not of who does it, long under the race detector: a line each for pipeline, kernel, audio and eval.
ARITHMETIC = TestSameBytes|TestEveryChangeFails|TestMethodsTrain|TestEncodersTrain|TestInit|TestUpdate|TestFrozen|TestMoreEpochs|TestAverage|TestShapesResume|TestFinetune|TestGenerated|TestONNXRuntime|TestEmbedIsExport|TestForecastIsWhatComes|TestExtremeFeatures|TestHealthIsThatOfARunWithoutAStop|TestPictures|TestReportInABrowser|TestWaitIsMeasured|TestPreviewSameBytes|TestPreviewAll|TestPreviewWindow
ARITHMETIC := $(ARITHMETIC)|TestConvAccuracy|TestConvNotFinite|TestConvLoops|TestPaddedLanes|TestWinograd$$|TestWinogradBounded|TestNormPoolIsTheChain|TestForwardTail|TestPixelConvLoops|TestNormLoops|TestPoolLoops|TestOrderIsTheElementsOwn|TestNoAllocations
ARITHMETIC := $(ARITHMETIC)|AgainstDefinition|TestChroma|TestCQT|TestFeatureTable|TestFeaturesOnAllPaths|TestONNXFeatures|TestSpoiltFLAC|TestFLACSeek|TestMP3Seeks|TestExtractAllocatesNothing
ARITHMETIC := $(ARITHMETIC)|TestProtocolsLearn|TestPlainOf|TestShuffledTestLabels|TestTableFitsTheTerminal

# The longest comes first: packages start in this order, as many at a time as there are cores.
race:           ## the concurrent parts under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 20m -skip '$(ARITHMETIC)' ./internal/pipeline ./internal/kernel ./internal/audio ./internal/eval ./internal/exec ./internal/layout ./internal/survey ./internal/disk ./internal/checkpoint ./internal/rundir

lint:           ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l cmd configs internal)" || { echo "gofmt would change:"; gofmt -l cmd configs internal; exit 1; }
	go vet ./...
	GOFLAGS= go run $(STATICCHECK) ./...

ENGINE = ./internal/kernel ./internal/op ./internal/exec ./internal/model ./internal/loss

purego:         ## the plain Go twins alone, and the machines that have nothing else
	go test -tags purego -short ./internal/method $(ENGINE) ./internal/augment
	GOARCH=arm64 go vet ./...

arm64:          ## the engine's tests and a whole step under emulation; needs Debian's qemu-user; some minutes
	GOARCH=arm64 go test -exec qemu-aarch64 -short -timeout 20m $(ENGINE)
	dir=$$(mktemp -d) && trap "rm -r $$dir" EXIT && GOARCH=arm64 go test -c -o $$dir/pipeline.test ./internal/pipeline && \
		CLR_OTHER="qemu-aarch64 $$dir/pipeline.test" go test -count=1 -run '^TestSameBytes$$' -v ./internal/pipeline

soak:           ## the long forms: 200 kills of each command, same bytes on the demo's corpus, more ways to fail; 10 to 20 minutes
	CLR_KILLS=200 go test -count=1 -timeout 40m -run '^TestKilled$$' -v ./cmd/clr
	CLR_SOAK=1 go test -count=1 -timeout 40m -run '^(TestSameBytes|TestEveryChangeFails|TestExtremeFeatures)$$' -v ./internal/pipeline

# The coverage that fuzzing goes by lies in Go's build cache; what it finds, under the package's testdata/fuzz, to be committed.
FUZZTIME ?= 10m
fuzz:           ## every fuzz test, one after the other, each for FUZZTIME; FUZZ=Store for those whose names match
	@left=$$(go test -list '^Fuzz.*$(FUZZ)' ./... | awk '/^Fuzz/ { names[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2 ":" names[i]; n = 0 }'); \
	failed=; for t in $$left; do echo "== $$t"; \
		go test -run '^$$' -fuzz "^$${t##*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s "$${t%:*}" || failed="$$failed $$t"; done; \
	test -n "$$left" && test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

reference:      ## rewrite configs/reference.yaml from the options in the code
	go run ./cmd/clr config reference > configs/reference.yaml.new && mv configs/reference.yaml.new configs/reference.yaml

pictures:       ## draw docs/img anew, and link what the tables lack
	CLR_PICTURES=1 go test -count=1 -run '^TestPictures$$' ./internal/pipeline

compare-torch: build ## speed and memory beside PyTorch, which PYTHON must have; ROWS=simclr,embed for some rows
	$(PYTHON) bench/compare.py --clr ./clr $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(MALLOC),--malloc $(MALLOC))

compare-sklearn: build ## a logistic regression beside scikit-learn's, which PYTHON must have; some minutes
	$(PYTHON) bench/probe.py --clr ./clr $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(N),--rows $(N))

# ONNX Runtime's scripts would fetch libraries for graphics cards; what it computes with on CPUs is in its package.
ORT = testdata/interop/node_modules/.package-lock.json
$(ORT): testdata/interop/package-lock.json
	@npm ci --prefix testdata/interop --ignore-scripts --no-audit --no-fund --fetch-retries 1 --fetch-timeout 30000 || echo "npm did not install ONNX Runtime"

interop: $(ORT) ## exports in ONNX Runtime, which npm installs, give what clr gives; half a minute
	go test -count=1 -run '^TestONNXRuntime' -v ./internal/pipeline

slurm:          ## a sweep on a Slurm of one node, which is there for as long; needs root, Debian's slurm-wlm and munge; a minute, mostly of waiting
	testdata/slurm/run.sh

kubernetes:     ## the manifests of sweeps in the Kubernetes API's own types, in a module of its own
	cd testdata/kubernetes && go vet . && go test -count=1 .

ci:             ## what CI runs
	bash .ci/run
