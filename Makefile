# Conveniences. `swift test -c release` and `swift run -c release bench` need none of them.

.PHONY: deps check fuzz coverage coverage-c coverage-swift format rooms

deps: ## LLVM's OpenMP runtime and OpenBLAS, for those who want them
	@if command -v apt-get >/dev/null; then \
		apt-get update && apt-get install -y libomp-dev libopenblas-dev; \
	else \
		echo "No apt-get here. Install LLVM's OpenMP runtime and OpenBLAS with your package manager"; \
		echo "(Fedora: dnf install libomp-devel openblas-devel; Homebrew: brew install libomp openblas)."; \
		exit 1; \
	fi

check: rooms ## Everything that CI runs
	.ci/run

rooms: ## The rules of ARCHITECTURE.md
	python3 scripts/check_rooms.py

fuzz: ## Fuzz the C entry points until stopped, with a corpus in build/corpus
	cmake -S cmake -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCK_FUZZ=ON -DCMAKE_C_FLAGS_RELEASE="-O2 -DCK_SMALL"
	cmake --build build/fuzz --target fuzz
	mkdir -p build/corpus
	build/fuzz/fuzz/fuzz -max_len=768 -len_control=0 build/corpus Tests/fuzz/corpus

# Of the clang in use: another version does not read its files.
llvm = $(dir $(realpath $(shell command -v clang)))
# Not -O1: clang 21 then misaligns an array of portable's write_attention on the stack, and it crashes.
coverage_flags = -O2 -DCK_SMALL -fprofile-instr-generate -fcoverage-mapping
coverage_programs = kernelcheck threadcheck threadcheck_late

coverage: coverage-c coverage-swift ## Lines of C and Swift that the tests reach

coverage-c: ## By kernelcheck and threadcheck, without AVX-512; tables by room
	cmake -S cmake -B build/coverage -G Ninja -DCMAKE_C_COMPILER=clang -DCK_AVX512=OFF \
		-DCMAKE_C_FLAGS_RELEASE="$(coverage_flags)"
	cmake --build build/coverage --target $(coverage_programs)
	rm -rf build/coverage/profiles
	cd build/coverage && export LLVM_PROFILE_FILE=profiles/%2m.profraw && \
		kernelcheck/kernelcheck --quick && CK_MAX_ISA=portable kernelcheck/kernelcheck --list && threadcheck/threadcheck && threadcheck/threadcheck --forks && \
		threadcheck/threadcheck_late
	$(llvm)llvm-profdata merge build/coverage/profiles/*.profraw -o build/coverage/all.profdata
	python3 scripts/coverage.py $(llvm)llvm-cov build/coverage/all.profdata CKernels \
		build/coverage/kernelcheck/kernelcheck build/coverage/threadcheck/threadcheck

coverage-swift: ## By all Swift tests, in release
	swift test -c release --enable-code-coverage --scratch-path .build-coverage
	python3 scripts/coverage.py $(llvm)llvm-cov .build-coverage/release/codecov/default.profdata Sources \
		.build-coverage/release/swift-normalizationPackageTests.xctest

format: ## clang-format 14 (not CKernels/vector and include, which are tables) and swift-format
	find CKernels Tests/kernelcheck Tests/fuzz -name '*.[ch]' -not -path '*/vector/*' -not -path '*/include/*' | xargs clang-format-14 -i
	swift format --in-place --recursive Sources Tests bench Package.swift
