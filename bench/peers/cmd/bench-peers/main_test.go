package main

import (
	"testing"
	"time"
)

func TestDocumentIsWrittenOfAWholeRunOnly(t *testing.T) {
	for name, row := range map[string]struct {
		change func(o *options)
		want   bool
	}{
		"as it comes":             {func(*options) {}, true},
		"more often":              {func(o *options) { o.rounds++ }, true},
		"for a second":            {func(o *options) { o.duration = time.Second }, true},
		"for less than a second":  {func(o *options) { o.duration = time.Second - 1 }, false},
		"less often":              {func(o *options) { o.rounds-- }, false},
		"some of the rows":        {func(o *options) { o.rows = "idle" }, false},
		"some of the brokers":     {func(o *options) { o.peers = "weir" }, false},
		"no microbenchmarks":      {func(o *options) { o.micro = "" }, false},
		"shorter microbenchmarks": {func(o *options) { o.microTime /= 2 }, false},
		"another warm-up":         {func(o *options) { o.warmup = time.Second }, false},
	} {
		o := usual
		row.change(&o)
		if got := o.whole(); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}
