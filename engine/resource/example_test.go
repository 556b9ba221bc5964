package resource_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirmq/weir/engine/resource"
)

// A directory is checked before it is served: what is wrong is said with file,
// line and field, and which ports would open.
func ExampleCheck() {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	manifest := `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata:
  name: plain
spec:
  ports:
    - port: 1883
    - port: 1884
      authorizationRef: rules
`
	if err := os.WriteFile(filepath.Join(dir, "plain.yaml"), []byte(manifest), 0o600); err != nil {
		panic(err)
	}
	report := resource.Check(dir)
	fmt.Print(report)
	// Output:
	// plain.yaml:9: error: BrokerListener/plain: spec.ports[1].authorizationRef: "rules": has no effect without authentication: there would be nobody to authorize; add an authenticationRef, or remove it to let everyone do everything
	// plain:1883: open
	// plain:1884: closed: its manifest has errors
}
