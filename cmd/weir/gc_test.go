package main

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestSmallHeapsMayGrowMoreThanLargeOnes(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		live, growth uint64
		want         int
	}{
		{0, mostGrowth, 400},
		{1 * mib, mostGrowth, 400},
		{4 * mib, mostGrowth, 400},
		{5 * mib, mostGrowth, 320},
		{16 * mib, mostGrowth, 100},
		{32 * mib, mostGrowth, 50},
		{1 << 30, mostGrowth, 50},
		// With a limit of 64 MiB, and with the smallest one.
		{1 * mib, 8 * mib, 200},
		{4 * mib, 8 * mib, 200},
		{8 * mib, 8 * mib, 100},
		{40 * mib, 8 * mib, 50},
		{1 * mib, 2 * mib, 50},
		{8 * mib, 2 * mib, 50},
	} {
		if got := gcPercent(tc.live, tc.growth); got != tc.want {
			t.Errorf("%d MiB in use, growth %d MiB: %d %%, want %d", tc.live/mib, tc.growth/mib, got, tc.want)
		}
	}
}

func TestOperatorWhoTunesGCKnowsBetter(t *testing.T) {
	for _, tc := range []struct {
		name, percent, memory string
		limit                 amount
		pace, idle            bool
	}{
		{"nothing is set", "", "", 0, true, true},
		{"a limit", "", "", 64 << 20, true, true},
		{"GOGC", "100", "", 0, false, false},
		{"GOGC, and a limit", "off", "", 64 << 20, false, false},
		{"GOMEMLIMIT", "", "64MiB", 0, false, true},
		{"GOMEMLIMIT, and a limit", "", "64MiB", 64 << 20, true, true},
	} {
		t.Setenv("GOGC", tc.percent)
		t.Setenv("GOMEMLIMIT", tc.memory)
		if pace, idle := gcTuning(tc.limit); pace != tc.pace || idle != tc.idle {
			t.Errorf("%s: %v, %v, want %v, %v", tc.name, pace, idle, tc.pace, tc.idle)
		}
	}
}

func TestLimitThatIsTooSmallIsToldOfOnceAMinute(t *testing.T) {
	lines := make(lineWriter, 10)
	w := newLimitWatch(64<<20, slog.New(slog.NewTextHandler(lines, nil)))
	start := time.Now()
	told := 0
	for _, tc := range []struct {
		name   string
		needed amount
		after  time.Duration
		tells  bool
	}{
		{"below", 64 << 20, 0, false},
		{"above", 65 << 20, 0, true},
		{"still, soon", 70 << 20, time.Second, false},
		{"below for a while", 1, 2 * time.Minute, false},
		{"again", 70 << 20, 3 * time.Minute, true},
	} {
		before := w.told
		w.note(tc.needed, start.Add(tc.after))
		if tells := w.told != before; tells != tc.tells {
			t.Errorf("%s: told is %v", tc.name, tells)
		}
		if tc.tells {
			told++
		}
	}
	for range told {
		if line := <-lines; !strings.Contains(line, "limit=64Mi") {
			t.Errorf("the log does not name the limit: %s", line)
		}
	}
}

func TestWhatIsNeededIsCountedForTheLimit(t *testing.T) {
	runtime.GC()
	for limit, tells := range map[amount]bool{1 << 20: true, 1 << 40: false} {
		w := newLimitWatch(limit, slog.New(slog.DiscardHandler))
		if w.look(); w.told.IsZero() == tells {
			t.Errorf("limit %v: told is %v, want %v", limit, !w.told.IsZero(), tells)
		}
	}
}

// lineWriter passes on what is written.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func TestMemoryLimitIsTheRuntimes(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	percent := debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(percent)
	})
	r := start(t, "serve", "--config", t.TempDir(), "--memory-limit", "80Mi")
	r.until(t, "the limit is set", func() bool { return debug.SetMemoryLimit(-1) == 80<<20 })
	if code := r.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestAmountsOfMemory(t *testing.T) {
	for _, tc := range []struct {
		text string
		want amount
		says string // when it is printed
	}{
		{"64Mi", 64 << 20, "64Mi"},
		{"1Gi", 1 << 30, "1Gi"},
		{"1536Mi", 1536 << 20, "1536Mi"},
		{"20000Ki", 20000 << 10, "20000Ki"},
		{"16777217", 16<<20 + 1, "16777217"},
		{"67108864", 64 << 20, "64Mi"},
	} {
		var a amount
		if err := a.Set(tc.text); err != nil || a != tc.want || a.String() != tc.says {
			t.Errorf("%s: %d, %v, printed as %s", tc.text, a, err, a)
		}
	}
	for _, text := range []string{
		"", "Mi", "64M", "64MiB", "64mi", "64 Mi", "-64Mi", "+64Mi", "1.5Gi", "0x40Mi", "lots",
		"0", "16777215", "15Mi", "9223372036854775808", "9007199254740992Ki", "18446744073709551615Gi",
	} {
		a := amount(1)
		if err := a.Set(text); err == nil || a != 1 {
			t.Errorf("%q: %d, %v", text, a, err)
		}
	}
}

func TestWhatFollowsGarbageCollectionsIsCalledAfterEach(t *testing.T) {
	called, goOn := make(chan struct{}, 1), make(chan struct{}, 1)
	defer close(goOn)
	goOn <- struct{}{}
	afterEachGC(func() {
		select {
		case called <- struct{}{}:
		default: // the test is over
		}
		<-goOn
	})
	wait := func(after string) {
		t.Helper()
		select {
		case <-called:
		case <-time.After(time.Minute):
			t.Fatalf("not called %s", after)
		}
	}
	wait("at first")
	runtime.GC()
	wait("after a collection")
	for range 3 {
		runtime.GC()
		goOn <- struct{}{}
		wait("after a collection while it was called")
	}
}
