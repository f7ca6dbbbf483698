# Conveniences. `swift test -c release` and `swift run -c release bench` need none of them.

.PHONY: deps check fuzz coverage format rooms

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
	cmake -S cmake -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCK_FUZZ=ON -DCMAKE_C_FLAGS_RELEASE="-O1"
	cmake --build build/fuzz --target fuzz
	mkdir -p build/corpus
	build/fuzz/fuzz/fuzz -max_len=768 -len_control=0 build/corpus Tests/fuzz/corpus

coverage: ## Lines of C and Swift that the tests reach
	swift test --enable-code-coverage -Xcc -fprofile-instr-generate -Xcc -fcoverage-mapping
	llvm-cov report --instr-profile=$$(dirname $$(swift test --show-codecov-path))/default.profdata \
		$$(swift build --show-bin-path)/swift-normalizationPackageTests.xctest --ignore-filename-regex='.build|Tests/'

format: ## clang-format 14 and swift-format
	find CKernels Tests/kernelcheck Tests/fuzz -name '*.[ch]' | xargs clang-format-14 -i
	swift format --in-place --recursive Sources Tests bench Package.swift
