// The official Kubernetes plugin: its own command embeds generated files that its Go module does not have.
package main

import (
	"fmt"
	"runtime/debug"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

const module = "github.com/pulumi/pulumi-kubernetes/provider/v4"

func main() {
	version := moduleVersion()
	// Programs in Python, Node.js and Go bring their SDK: none asks a plugin for its schema.
	schema := fmt.Sprintf(`{"name": "kubernetes", "version": %q}`, version)
	provider.Serve("kubernetes", version, []byte(schema), []byte("{}"))
}

// moduleVersion returns the version in go.mod without its "v", so that the plugin never passes for another one.
func moduleVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version[1:]
		}
	}
	panic("built without " + module)
}
