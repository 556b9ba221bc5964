//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
)

// TestBenchMeasuresABrokerOfItsOwn runs weir bench --self, which needs a
// program that can start itself.
func TestBenchMeasuresABrokerOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"mqtt", "mqtts", "ws", "wss"} {
		t.Run("scheme="+scheme, func(t *testing.T) {
			dir := t.TempDir()
			broker := fmt.Sprintf("%s://127.0.0.1:%d", scheme, freePort(t))
			out, code := run(t, dir, []string{"TMPDIR=" + dir}, weirProgram, "bench", "pairs", "--self", "--broker", broker,
				"--pairs", "3", "--warmup", "10ms", "--duration", "100ms", "--quiet", "--json")
			if code != 0 {
				t.Fatalf("exit code %d:\n%s", code, out)
			}
			var result struct {
				Messages struct{ Sent, Received, Lost, Duplicates, Reordered int }
				Server   *struct{ CPUSeconds float64 }
			}
			if err := json.Unmarshal([]byte(out), &result); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			m := result.Messages
			if m.Sent == 0 || m.Received != m.Sent || m.Lost+m.Duplicates+m.Reordered > 0 {
				t.Errorf("messages %+v", m)
			}
			if result.Server == nil || result.Server.CPUSeconds <= 0 {
				t.Errorf("the broker's usage is %+v", result.Server)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "weir-bench-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
