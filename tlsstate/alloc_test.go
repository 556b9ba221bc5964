//go:build !race

package tlsstate

import (
	"testing"
)

func TestAllocations(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		scratch := make([]byte, 0, 64<<10)
		seal := func(size int) func() {
			plaintext := payload(size)
			return func() {
				if _, err := p.server.Seal(scratch, plaintext); err != nil {
					t.Fatal(err)
				}
			}
		}
		// open feeds the client's records, made before, records at a time.
		open := func(size, records, runs int) func() {
			plaintext := payload(size)
			var feeds [][]byte
			for range runs + 1 { // AllocsPerRun calls once more, to warm up
				var feed []byte
				for range records {
					feed = append(feed, p.clientSends(t, plaintext)...)
				}
				feeds = append(feeds, feed)
			}
			return func() {
				got, err := p.server.Open(scratch, feeds[0])
				if err != nil || len(got) != records*size {
					t.Fatalf("opened %d bytes, %v", len(got), err)
				}
				feeds = feeds[1:]
			}
		}
		const runs = 100
		allocs := func(name string, want float64, f func()) {
			t.Helper()
			if got := testing.AllocsPerRun(runs, f); got > want {
				t.Errorf("%s: %v allocations, want %v", name, got, want)
			}
		}
		allocs("Seal 64 B", 0, seal(64))
		allocs("Seal 1 KB", 0, seal(1<<10))
		allocs("Seal 16 KB", 0, seal(16<<10))
		allocs("Pending, nothing", 0, func() { p.server.Pending(scratch) })
		allocs("Open nothing", 0, func() { p.server.Open(scratch, nil) })
		// crypto/tls allocates a reader of 24 bytes each time it fetches
		// ciphertext, which is once for as many records as its buffer has room
		// for. There is no way around that from outside.
		allocs("Open 64 B", 1, open(64, 1, runs))
		allocs("Open 5 records of 64 B", 1, open(64, 5, runs))
		allocs("Open 1 KB", 1, open(1<<10, 1, runs))
		allocs("Open 16 KB", 1, open(16<<10, 1, runs))
	})
}
