#!/usr/bin/env bash
# The trainer benchmark on one GPU of a machine with torch, transformers, accelerate, peft and pyarrow, without
# a network: model, tokenizer and data are made there, what else is needed is brought along in build/.
#
#   bash benchmarks/trainer_gpu.sh fetch     once, where there is a package index: fills build/
#   bash benchmarks/trainer_gpu.sh           on the GPU machine: 0.6B and 1.7B beside TRL, 4B for memory and MFU
#   bash benchmarks/trainer_gpu.sh --model random-1.7b --cases a b4      a part of it
#
# Each case adds to trainer.json and trainer.md in OUT (benchmarks/results) when it is done.
set -euo pipefail
cd "$(dirname "$0")/.."

target_python=${TARGET_PYTHON:-3.12} # of the GPU machine
if [ "${1:-}" = fetch ]; then
    wheels=(--quiet --no-deps --only-binary=:all: --python-version "$target_python" --platform manylinux2014_x86_64
        --platform manylinux_2_17_x86_64 --platform any)
    fetch() { ${PYTHON:-python3} -m pip install "${wheels[@]}" --upgrade --target "$@"; }
    fetch build/trl-1.16.0 trl==1.16.0
    fetch build/trl-1.13.0 trl==1.13.0
    # What TRL and ours import and such a machine may lack.
    fetch build/gpu-needs datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19 \
        pydantic==2.14.3 pydantic-core==2.50.4 annotated-types==0.8.0 typing-inspection==0.4.5
    exit
fi

export PYTHONPATH="$PWD/build/gpu-needs${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
run() { ${PYTHON:-python3} benchmarks/trainer.py --device cuda --out "${OUT:-benchmarks/results}" "$@"; }
if [ $# -gt 0 ]; then
    run "$@"
else
    run --model random-0.6b
    run --model random-1.7b
    run --model random-4b --cases a --sides ours
fi
