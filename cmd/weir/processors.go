package main

import (
	"os"
	"runtime"
)

// spareProcessor lets Go run one goroutine more at a time than it would. A loop
// that has waited for events gives its place up meanwhile, and when hundreds of
// goroutines ask an authentication server it had to wait for the next one that was
// free, while it has a processor at once. How many loops there are is decided
// before. An operator who has set GOMAXPROCS knows better; without it, Go adapts to
// a limit of its control group that changes, which ends here.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
