package engine

import (
	"flag"
	"os"
	"testing"
)

// TestMain has the tests run on the reactor of other systems with
// -reactor=gnet.
func TestMain(m *testing.M) {
	which := flag.String("reactor", "", "gnet: use that reactor on this system too")
	flag.Parse()
	switch *which {
	case "":
	case "gnet":
		newReactor = func(e *Engine) reactor { return newGnetReactor(e) }
	default:
		panic("-reactor " + *which + " is unknown")
	}
	os.Exit(m.Run())
}
