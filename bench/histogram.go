package bench

import (
	"math"
	"math/bits"
	"time"
)

// Histogram counts durations in buckets whose width is at most 1/128 of where
// they begin, so that what it reports is right to within 0.8 %, from a
// nanosecond to some 18 minutes; longer ones count as that. The zero value is
// empty. Not safe for concurrent use.
type Histogram struct {
	counts   [histogramBuckets]uint64
	count    uint64
	sum      float64
	min, max int64
}

const (
	// histogramBits is the logarithm of the number of buckets for each
	// doubling of the duration.
	histogramBits = 7
	// histogramMax is the first duration that is too long.
	histogramMax = 1 << 40

	// Below 1<<(histogramBits+1) every value has its own bucket.
	histogramBuckets = (40 - histogramBits + 1) << histogramBits
)

// bucketOf returns the index of the bucket for ns, which is below histogramMax.
func bucketOf(ns uint64) int {
	shift := max(bits.Len64(ns)-histogramBits-1, 0)
	return shift<<histogramBits + int(ns>>shift)
}

// bucketHigh returns the highest value that the bucket i counts.
func bucketHigh(i int) int64 {
	shift := max(i>>histogramBits-1, 0)
	return int64(i-shift<<histogramBits+1)<<shift - 1
}

// Record counts d; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	ns := min(max(int64(d), 0), histogramMax-1)
	h.counts[bucketOf(uint64(ns))]++
	if h.count == 0 || ns < h.min {
		h.min = ns
	}
	h.max = max(h.max, ns)
	h.count++
	h.sum += float64(ns)
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	if h.count == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.count += o.count
	h.sum += o.sum
}

// Reset forgets everything.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean returns the mean duration, or 0 if there is none.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}

// Quantile returns the duration that the fraction q of those recorded do not
// exceed, 0 < q <= 1: the highest of its bucket, but no more than Max. It is 0
// for an empty Histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(math.Ceil(q*float64(h.count))), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return time.Duration(max(min(bucketHigh(i), h.max), h.min))
		}
	}
	return time.Duration(h.max)
}
