package main

import (
	"strings"
	"testing"
	"time"
)

func TestTableAlignsColumnsByCharacters(t *testing.T) {
	table := newTable("NAME", "AGE")
	table.add("kühlhaus-ca", "5s")
	table.add("a", "10m")
	var b strings.Builder
	if err := table.print(&b); err != nil {
		t.Fatal(err)
	}
	const want = "NAME          AGE\nkühlhaus-ca   5s\na             10m\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestAgeReadsAsKubectlHasIt(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"},
		{0, "0s"},
		{104 * time.Second, "104s"}, // the tutorial's
		{2 * time.Minute, "2m"},
		{2*time.Minute + 5*time.Second, "2m5s"},
		{10*time.Minute + 5*time.Second, "10m"},
		{3*time.Hour - time.Second, "179m"},
		{3*time.Hour + 20*time.Minute, "3h20m"},
		{8*time.Hour + 20*time.Minute, "8h"},
		{47 * time.Hour, "47h"},
		{2*day + 3*time.Hour, "2d3h"},
		{8*day + 3*time.Hour, "8d"},
		{729 * day, "729d"},
		{731 * day, "2y1d"},
		{8 * 365 * day, "8y"},
	} {
		if got := age(row.d); got != row.want {
			t.Errorf("age(%v) = %s, want %s", row.d, got, row.want)
		}
	}
}
