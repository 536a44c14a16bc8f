// Command types checks the types of the program in the current folder, and of all that it imports, from their sources:
// it says what the compiler says, and compiles nothing. The types of Kubernetes alone take two minutes to compile.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// What `go list` says of a package.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
}

// Packages that are checked already, and the paths by which one package imports them.
type imports struct {
	checked map[string]*types.Package
	paths   map[string]string
}

func (i imports) Import(path string) (*types.Package, error) {
	if mapped, ok := i.paths[path]; ok {
		path = mapped
	}
	return i.checked[path], nil
}

func main() {
	folder, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap", ".")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		log.Fatal(err)
	}
	files, checked, wrong := token.NewFileSet(), map[string]*types.Package{}, false
	// Each package comes after those that it imports.
	for packages := json.NewDecoder(strings.NewReader(string(output))); packages.More(); {
		var found listed
		if err := packages.Decode(&found); err != nil {
			log.Fatal(err)
		}
		if found.ImportPath == "unsafe" {
			checked["unsafe"] = types.Unsafe
			continue
		}
		var parsed []*ast.File
		for _, name := range found.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(found.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				log.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		config := types.Config{
			// Only the program and its generated SDK lie here.
			IgnoreFuncBodies: !strings.HasPrefix(found.Dir, folder),
			Importer:         imports{checked, found.ImportMap},
			Sizes:            types.SizesFor("gc", runtime.GOARCH),
			Error: func(err error) {
				fmt.Println(err)
				wrong = true
			},
		}
		checked[found.ImportPath], _ = config.Check(found.ImportPath, files, parsed, nil)
	}
	if wrong {
		os.Exit(1)
	}
}
