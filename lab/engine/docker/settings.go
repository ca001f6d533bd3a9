package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"

	"runtimelab/lab/fault"
)

// effect is what a setting of an image does to the lab's containers.
type effect string

const (
	kept     effect = "kept"     // applies: it is part of what is measured
	replaced effect = "replaced" // the lab sets another value when it creates a container
	inert    effect = "inert"    // engines do not apply it to containers
)

// setting is one key of an image's configuration.
type setting struct {
	key    string
	effect effect
	about  string
	refuse func(value any) string // returns why a value is refused, or ""; nil accepts every value
}

// settings has a row for each key of an image's configuration: those of the OCI image
// specification, of Docker's extension to it, and of the container configuration that engines
// before 25 show instead. An image with any other key is refused.
var settings = []setting{
	{"User", kept, "root fails: in /identity, or for a server without one in AdmitServer", nil},
	{"Env", kept, "the lab adds the variables of the service: for a server PORT, HOST and the variant's", nil},
	{"Entrypoint", kept, "the variant's command gives its arguments", nil},
	{"Cmd", kept, "the variant's command replaces it", nil},
	{"WorkingDir", kept, "the command's working directory", nil},
	{"ExposedPorts", kept, "only a note: the lab publishes no port", nil},
	{"Labels", kept, "only notes for users and tools", refuseLabels},

	{
		"Volumes", replaced, "each is a writable folder, or read-only with the image's content",
		refuseVolumes,
	},
	{"Healthcheck", replaced, "none: it would run in the measured container", nil},
	{"StopSignal", replaced, "SIGKILL: the lab kills containers and does not stop them", nil},

	{"OnBuild", inert, "applies to builds that start from the image", nil},
	{"Shell", inert, "applies to builds; commands in shell form are stored with it", nil},
	{"ArgsEscaped", inert, "for Windows; old builders set it everywhere", nil},
	{"Memory", inert, "the lab sets limits", nil},
	{"MemorySwap", inert, "the lab sets limits", nil},
	{"CpuShares", inert, "the lab sets limits", nil},
	{"Cpuset", inert, "the lab sets limits", nil},
	{"Hostname", inert, "of the container that made the image", nil},
	{"Domainname", inert, "of the container that made the image", nil},
	{"Image", inert, "what the image was made from", nil},
	{"AttachStdin", inert, "of the container that made the image", nil},
	{"AttachStdout", inert, "of the container that made the image", nil},
	{"AttachStderr", inert, "of the container that made the image", nil},
	{"Tty", inert, "of the container that made the image", nil},
	{"OpenStdin", inert, "of the container that made the image", nil},
	{"StdinOnce", inert, "of the container that made the image", nil},
	{"NetworkDisabled", inert, "the lab sets the network", nil},
	{"MacAddress", inert, "the lab sets the network", nil},
	{"StopTimeout", inert, "the lab kills containers and does not stop them", nil},
}

// replaceSettings sets the values of replaced settings, except for volumes: see Run.admit.
func replaceSettings(c *container.Config) {
	c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	c.StopSignal = "SIGKILL"
}

// checkSettings reads the engine's description of an image (JSON) and returns its volumes. The
// error names each setting that the lab does not know or cannot replace.
func checkSettings(ref string, inspected []byte) (volumes []string, err error) {
	var image struct {
		Config map[string]any
	}
	if err := json.Unmarshal(inspected, &image); err != nil {
		return nil, fmt.Errorf("reading the configuration of image %s: %w", ref, err)
	}
	var refused []string
	for _, key := range slices.Sorted(maps.Keys(image.Config)) {
		value := image.Config[key]
		if isZero(value) {
			continue
		}
		if reason := refusalReason(key, value); reason != "" {
			refused = append(refused, reason)
		}
	}
	if len(refused) > 0 {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("image %s: %s", ref, strings.Join(refused, "; ")),
			Hint: "remove it from the Dockerfile, or use a base image without it",
		}
	}
	return sortedKeys(image.Config["Volumes"]), nil
}

// refusalReason returns why the lab refuses an image with this setting, or "".
func refusalReason(key string, value any) string {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	switch {
	case i < 0:
		return fmt.Sprintf("it sets %s (%v), which this lab does not know and which could change "+
			"what is measured", key, value)
	case settings[i].refuse != nil:
		return settings[i].refuse(value)
	}
	return ""
}

// isZero reports whether a JSON value is null or its type's zero value.
func isZero(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// sortedKeys returns the keys of a JSON object, sorted.
func sortedKeys(object any) []string {
	m, _ := object.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// refuseLabels refuses the labels that mark the containers of a run: a container gets the labels of
// its image.
func refuseLabels(value any) string {
	for _, name := range sortedKeys(value) {
		if slices.Contains([]string{labelRun, labelRole, labelName, labelHolder}, name) {
			return fmt.Sprintf("it has the label %s, which marks containers of a run", name)
		}
	}
	return ""
}

// refuseVolumes refuses a volume inside another one: its folder may not exist in the image, and
// cannot be made in the outer volume, which is read-only.
func refuseVolumes(value any) string {
	volumes := sortedKeys(value)
	for _, outer := range volumes {
		outerPath := path.Join("/", outer)
		if outerPath == "/" {
			return "VOLUME / covers the whole file system"
		}
		for _, inner := range volumes {
			if strings.HasPrefix(path.Join("/", inner), outerPath+"/") {
				return fmt.Sprintf("VOLUME %s is inside VOLUME %s, and the lab mounts volumes read-only", inner, outer)
			}
		}
	}
	return ""
}
