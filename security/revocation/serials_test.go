package revocation

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestSerialsAgreeWithAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() *big.Int {
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(3)) // so that some are equal, and some begin with 0
		}
		return new(big.Int).SetBytes(b)
	}
	for range 200 {
		naive := make(map[string]bool)
		var numbers []*big.Int
		for range r.IntN(50) {
			n := random()
			numbers = append(numbers, n)
			naive[n.String()] = true
		}
		s := newSerials(numbers)
		for _, n := range numbers {
			if !s.has(n) {
				t.Fatalf("%v is missing from %v", n, numbers)
			}
		}
		for range 100 {
			if n := random(); s.has(n) != naive[n.String()] {
				t.Fatalf("has(%v) = %v in %v", n, s.has(n), numbers)
			}
		}
	}
}
