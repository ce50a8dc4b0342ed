package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"lodge/domain"
	"lodge/log"
)

// Limits of passwords. There are no rules about their characters: length is what counts (NIST SP 800-63B).
const (
	PasswordMin = 10  // characters
	PasswordMax = 512 // bytes
)

// HashCost is what one argon2id hash costs. The zero value is OWASP's first choice: 19 MiB, twice, one lane.
type HashCost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

var defaultCost = HashCost{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

// Limits of what a stored hash may ask for: more would be damage, not a hash.
const (
	costMemoryMax = 1 << 20 // KiB
	costPassesMax = 64
	costLanesMax  = 64
	saltBytes     = 16
	hashBytes     = 32
	saltBytesMax  = 64
	hashBytesMax  = 64
)

// phc is a hash as the PHC string format has it: $argon2id$v=19$m=19456,t=2,p=1$salt$hash. It says its own cost, so that new ones may cost more.
type phc struct {
	cost       HashCost
	salt, hash []byte
}

var phcBase64 = base64.RawStdEncoding.Strict()

func (p *phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.MemoryKiB, p.cost.Passes, p.cost.Lanes,
		phcBase64.EncodeToString(p.salt), phcBase64.EncodeToString(p.hash))
}

// readPHC reads what String wrote, and nothing else.
func readPHC(text string) (*phc, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, fmt.Errorf("not an argon2id hash of version %d", argon2.Version)
	}
	p := &phc{}
	var err error
	if p.cost, err = readCost(parts[3]); err != nil {
		return nil, err
	}
	if p.salt, err = phcBase64.DecodeString(parts[4]); err != nil || len(p.salt) < 8 || len(p.salt) > saltBytesMax {
		return nil, fmt.Errorf("the salt of a hash is damaged")
	}
	if p.hash, err = phcBase64.DecodeString(parts[5]); err != nil || len(p.hash) < 16 || len(p.hash) > hashBytesMax {
		return nil, fmt.Errorf("a hash is damaged")
	}
	return p, nil
}

// readCost reads m=19456,t=2,p=1.
func readCost(text string) (c HashCost, err error) {
	var numbers [3]uint64
	fields := strings.Split(text, ",")
	for i, name := range []string{"m=", "t=", "p="} {
		if len(fields) != len(numbers) {
			return c, fmt.Errorf("the cost of a hash is damaged")
		}
		digits, ok := strings.CutPrefix(fields[i], name)
		if numbers[i], err = strconv.ParseUint(digits, 10, 32); err != nil || !ok || strconv.FormatUint(numbers[i], 10) != digits {
			return c, fmt.Errorf("the cost of a hash is damaged")
		}
	}
	if numbers[0] > costMemoryMax || numbers[1] < 1 || numbers[1] > costPassesMax || numbers[2] < 1 || numbers[2] > costLanesMax || numbers[0] < 8*numbers[2] {
		return c, fmt.Errorf("a hash costs what none does")
	}
	return HashCost{MemoryKiB: uint32(numbers[0]), Passes: uint32(numbers[1]), Lanes: uint8(numbers[2])}, nil
}

func (c HashCost) hash(password string, salt []byte, n int) []byte {
	return argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, c.Lanes, uint32(n))
}

// hashesWaitingMax is how many hashes wait for their turn.
const hashesWaitingMax = 128

// hashesAtOnce is how many hashes are computed at a time: half of the processors are left to all other calls, whoever signs in.
func hashesAtOnce(processors int) int { return max(1, processors/2) }

// hasher makes and compares hashes, a few at a time: each takes memory and a processor. Safe for concurrent use.
type hasher struct {
	cost    HashCost
	derive  func(c HashCost, password string, salt []byte, n int) []byte // HashCost.hash, but in tests
	slots   chan struct{}                                                // a place for each hash that is computed
	waiting atomic.Int32                                                 // Invariant: <= hashesWaitingMax, but for those that are being refused
	nobody  *phc                                                         // what the passwords of accounts that there are not are compared with
}

func newHasher(cost HashCost) *hasher {
	if cost == (HashCost{}) {
		cost = defaultCost
	}
	h := &hasher{cost: cost, derive: HashCost.hash, slots: make(chan struct{}, hashesAtOnce(runtime.GOMAXPROCS(0)))}
	h.nobody = &phc{cost: cost, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	_, _ = rand.Read(h.nobody.hash) // never fails; nobody's password has this hash
	return h
}

// turn waits for a place to hash in, as long as the call has time. The caller calls done. When too many wait already it is log.LimitReached, at once.
func (h *hasher) turn(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	leave := func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return leave, nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > hashesWaitingMax {
		return nil, log.NewError(log.LimitReached, "hash a password", "%d wait already", hashesWaitingMax)
	}
	select {
	case h.slots <- struct{}{}:
		if err := ctx.Err(); err != nil { // both were so: nobody waits for this hash any more
			leave()
			return nil, err
		}
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// make hashes a password for keeping.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	p := &phc{cost: h.cost, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(p.salt) // never fails
	p.hash = h.derive(p.cost, password, p.salt, hashBytes)
	return p.String(), nil
}

// matches reports whether a password has a hash, and whether that was made at another cost than new ones are. Without a hash no password matches, and that takes as long.
func (h *hasher) matches(ctx context.Context, kept, password string) (ok, stale bool, err error) {
	p := h.nobody
	if kept != "" {
		if p, err = readPHC(kept); err != nil {
			return false, false, err
		}
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	same := subtle.ConstantTimeCompare(h.derive(p.cost, password, p.salt, len(p.hash)), p.hash) == 1
	return same && kept != "", p.cost != h.cost, nil
}

// readPassword checks a password that somebody chooses, and returns it as it is hashed: however a keyboard composes its characters.
func readPassword(password, email, field string) (string, error) {
	weak := func(format string, args ...any) (string, error) {
		return "", domain.Errorf(ReasonPasswordWeak, field, format, args...)
	}
	if len(password) > PasswordMax || !utf8.ValidString(password) {
		return weak("a password has at most %d bytes of UTF-8", PasswordMax)
	}
	password = norm.NFKC.String(password)
	if n := utf8.RuneCountInString(password); n < PasswordMin {
		return weak("a password has at least %d characters", PasswordMin)
	}
	folded := strings.ToLower(password)
	name, _, _ := strings.Cut(email, "@")
	if email != "" && (folded == email || len(name) >= 4 && strings.ReplaceAll(folded, name, "") == "") || allSame(password) {
		return weak("this password is among the first that anybody tries")
	}
	return password, nil
}

// allSame reports whether a password is one character again and again.
func allSame(password string) bool {
	first, size := utf8.DecodeRuneInString(password)
	return strings.Count(password, string(first))*size == len(password)
}
