package revocation

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"testing"
)

// numbers returns as many serial numbers as CAs give: 16 random bytes.
func numbers(n int) []*big.Int {
	r := rand.NewChaCha8([32]byte{1})
	all := make([]*big.Int, n)
	for i := range all {
		var b [16]byte
		r.Read(b[:])
		b[0] = b[0]&0x7F | 0x40
		all[i] = new(big.Int).SetBytes(b[:])
	}
	return all
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCheck is what a chain of leaf, intermediate and root costs at each
// CONNECT, with a CRL of the intermediate that does not have the leaf.
func BenchmarkCheck(b *testing.B) {
	for _, entries := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			s := newSite(b)
			der := issue(b, s.intermediate, template(1, numbers(entries)...))
			before := heap()
			set := New(Config{CRLs: []*CRL{parse(b, der)}})
			chain := s.chain(s.heater)
			if err := set.Check(chain, noon); err != nil {
				b.Fatal(err)
			}
			after := heap()
			b.ReportAllocs()
			for b.Loop() {
				if err := set.Check(chain, noon); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(after-before)/float64(entries), "heap-B/entry")
			runtime.KeepAlive(der)
		})
	}
}

// BenchmarkSerials looks for numbers all over the table, so that none is in the
// processor's cache.
func BenchmarkSerials(b *testing.B) {
	for _, entries := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			all := numbers(entries)
			s := newSerials(all)
			r := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				if !s.has(all[r.IntN(entries)]) {
					b.Fatal("missing")
				}
			}
		})
	}
}

func BenchmarkParseCRL(b *testing.B) {
	for _, entries := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			der := issue(b, newSite(b).root, template(1, numbers(entries)...))
			for b.Loop() {
				parse(b, der)
			}
		})
	}
}
