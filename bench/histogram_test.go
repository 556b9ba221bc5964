package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverEveryDurationOnce(t *testing.T) {
	next := int64(0)
	for i := range histogramBuckets {
		high := bucketHigh(i)
		if bucketOf(uint64(next)) != i || bucketOf(uint64(high)) != i {
			t.Fatalf("bucket %d: from %d in bucket %d to %d in bucket %d", i, next, bucketOf(uint64(next)), high, bucketOf(uint64(high)))
		}
		if width := high - next; float64(width) > float64(next)/128 {
			t.Fatalf("bucket %d is %d wide and begins at %d", i, width, next)
		}
		next = high + 1
	}
	if next != histogramMax {
		t.Errorf("the last bucket ends at %d, want %d", next-1, int64(histogramMax-1))
	}
}

func TestHistogramAgreesWithSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 3, 10, 1000, 20_000} {
		var whole, half, other Histogram
		var all []time.Duration
		for i := range n {
			d := time.Duration(math.Exp(random.Float64() * math.Log(60e9))) // up to a minute, small ones as often as large
			all = append(all, d)
			whole.Record(d)
			[]*Histogram{&half, &other}[i%2].Record(d)
		}
		half.Merge(&other)
		slices.Sort(all)
		for _, h := range []*Histogram{&whole, &half} {
			for _, q := range []float64{0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
				want := all[max(int(math.Ceil(q*float64(n))), 1)-1]
				if got := h.Quantile(q); got < want || float64(got) > float64(want)*(1+1.0/128) {
					t.Errorf("%d values, quantile %v: %v, want %v to %v", n, q, got, want, want+want/128)
				}
			}
			if h.Max() != all[n-1] || h.Count() != uint64(n) {
				t.Errorf("%d values: max %v and count %d, want %v", n, h.Max(), h.Count(), all[n-1])
			}
		}
	}
}

func TestHistogramTakesWhatIsNoDuration(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 {
		t.Error("an empty histogram is not zero")
	}
	h.Record(-time.Second)
	h.Record(math.MaxInt64)
	if h.Count() != 2 || h.Quantile(0.5) != 0 || h.Max() != histogramMax-1 {
		t.Errorf("count %d, median %v, max %v", h.Count(), h.Quantile(0.5), h.Max())
	}
	h.Reset()
	if h.Count() != 0 || h.Quantile(1) != 0 {
		t.Error("Reset leaves something")
	}
}
