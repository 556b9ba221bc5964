//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// installing says how to get the programs that are used.
var installing = map[string]string{
	"bash":          "apt-get install bash",
	"mosquitto_pub": "apt-get install mosquitto-clients",
	"mosquitto_sub": "apt-get install mosquitto-clients",
	"stdbuf":        "apt-get install coreutils",
	"node":          "https://nodejs.org, version 16 or later",
	"npm":           "with node",
	"openssl":       "apt-get install openssl",
	"step":          "go install github.com/smallstep/cli/cmd/step@v0.21.0",
}

// needTools skips the test unless these programs are on PATH, or fails it if
// REQUIRE_E2E_TOOLS is 1.
func needTools(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			giveUp(t, program+" is not on PATH; install it: "+installing[program])
		}
	}
}

// giveUp ends a test that lacks something on this machine.
func giveUp(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("REQUIRE_E2E_TOOLS") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
