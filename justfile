# What can be done here; `just` alone lists it.

tools := "go tool -modfile=.ci/tools/go.mod"

_list:
    @just --list

# Start everything in one process with sample hotels and bookings.
demo *ARGS:
    go run ./cmd/lodge demo {{ARGS}}

# All fast tests, as in README.
test *ARGS:
    go test ./... {{ARGS}}

# All fast tests under the race detector.
race *ARGS:
    go test -race ./... {{ARGS}}

# Type-check and test the TypeScript package against a server of its own.
ts:
    cd api/ts && npm ci --no-audit --no-fund --ignore-scripts && npm test

# Kill the server at random moments, KILLS times, and check what it promised.
crash KILLS="200":
    go test ./cmd/lodge -run TestKill -count=1 -timeout 60m -v -args -kills={{KILLS}}

# CLIENTS against one hot night for TIME, and all that must hold afterwards.
hotnight CLIENTS="256" TIME="1m":
    go test ./cmd/internal/platform -run TestHotNight -count=1 -timeout 30m -v -args -hot-clients={{CLIENTS}} -hot={{TIME}}

# Watermill's stress suite, and the log's random tests with N times as many seeds: minutes.
long N="10":
    go test ./log/watermill -run Stress -count=1 -timeout 20m -stress
    go test ./log/broker ./log/natsbridge -count=1 -timeout 60m -args -long={{N}}
    go test ./log/internal/commitlog -count=1 -timeout 60m -args -seeds={{N}}0

# Every fuzz target for TIME each.
fuzz TIME="30s":
    .ci/fuzz {{TIME}}

# The benchmark table: floors measured in the same run beside each figure.
bench *ARGS:
    go run ./cmd/lodge bench {{ARGS}}

# How a node with N reservations that are long over opens; 10,000,000 take 15 GB in DIR, which stays, and a quarter of an hour.
past DIR N="10000000":
    go run ./cmd/lodge bench --past {{N}} --data {{DIR}}

# Other embedded logs beside this one, in a module of its own.
peerbench *ARGS:
    cd cmd/peerbench && go run . {{ARGS}}

# The same reservations in PostgreSQL, the textbook's ways, in a module of its own.
pgcompare *ARGS:
    cd cmd/pgcompare && go run . {{ARGS}}

# Formatting, vet, linters, proto style.
lint:
    .ci/lint

# Generate code from the protos.
gen:
    .ci/generate

# What CI does, all of it.
ci:
    CI=true .ci/run
