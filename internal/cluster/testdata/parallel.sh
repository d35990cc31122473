# 18 trials, 3 at a time, each of 701 MiB at most
seq 0 17 | env GOMAXPROCS=2 CLR_BATCH=64 'CLR_METHOD={name: "moco", queue: 64}' parallel --jobs 3 --line-buffer --tag 'clr sweep run configs/sweeps/fsdd-temperature.yaml --out sweeps/temperature --retry --index {}'

# the same, where there is no GNU parallel
seq 0 17 | env GOMAXPROCS=2 CLR_BATCH=64 'CLR_METHOD={name: "moco", queue: 64}' xargs -P 3 -I {} clr sweep run configs/sweeps/fsdd-temperature.yaml --out sweeps/temperature --retry --index {}
