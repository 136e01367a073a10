// Says how an object is as GitOps tools see it, by their own libraries.
//
//	gitops-health kstatus       <object.json    by Flux's kstatus: "Current", "InProgress", "Failed", "Terminating"
//	gitops-health argo SCRIPT   <object.json    by a health script in the interpreter and with the libraries that
//	                                            Argo CD gives it: "Healthy", "Progressing", "Degraded", "Suspended", …
//
// Prints the word, a tab and the message. Exit code 1 if there is no answer, with the reason.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Argo CD stops scripts that take longer.
const scriptDeadline = time.Second

// What Argo CD takes for an answer; anything else it shows as Unknown.
var argoWords = map[string]bool{"Healthy": true, "Progressing": true, "Degraded": true,
	"Suspended": true, "Missing": true, "Unknown": true}

func main() {
	word, message, err := judge(os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gitops-health:", err)
		os.Exit(1)
	}
	fmt.Printf("%s\t%s\n", word, message)
}

func judge(words []string, in io.Reader) (string, string, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return "", "", err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		return "", "", fmt.Errorf("reading the object: %w", err)
	}
	switch {
	case len(words) == 1 && words[0] == "kstatus":
		result, err := status.Compute(object)
		if err != nil {
			return "", "", err
		}
		return result.Status.String(), result.Message, nil
	case len(words) == 2 && words[0] == "argo":
		script, err := os.ReadFile(words[1])
		if err != nil {
			return "", "", err
		}
		return runScript(string(script), object.Object)
	}
	return "", "", errors.New("usage: gitops-health kstatus | gitops-health argo SCRIPT")
}

// Only the libraries that a health script has unless Argo CD's administrator opens more: no
// strings, no mathematics. (Argo CD's os has the time alone; no script of ours asks for it.)
func runScript(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	open := map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase,
		lua.TabLibName: lua.OpenTable}
	for _, name := range []string{lua.LoadLibName, lua.BaseLibName, lua.TabLibName} {
		call := lua.P{Fn: state.NewFunction(open[name]), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	deadline, cancel := context.WithTimeout(context.Background(), scriptDeadline)
	defer cancel()
	state.SetContext(deadline)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script answers a %s, not a table", state.Get(-1).Type())
	}
	word := lua.LVAsString(table.RawGetString("status"))
	if !argoWords[word] {
		return "", "", fmt.Errorf("%q is no health of Argo CD", word)
	}
	return word, lua.LVAsString(table.RawGetString("message")), nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch known := value.(type) {
	case bool:
		return lua.LBool(known)
	case string:
		return lua.LString(known)
	case int64:
		return lua.LNumber(known)
	case float64:
		return lua.LNumber(known)
	case json.Number:
		return lua.LString(known)
	case []any:
		table := state.NewTable()
		for _, item := range known {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range known {
			table.RawSetString(name, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}
