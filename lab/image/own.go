package image

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// useImage returns the image that a source uses as it is. It pulls an image that the engine does
// not have. Containers are started by the image's id, so that all trials of a run measure the same
// image even if its tag moves.
func (b *Builder) useImage(ctx context.Context, src lab.ImageSource) (lab.Image, error) {
	got, err := b.haveImage(ctx, src.Image)
	if err != nil {
		return lab.Image{}, ownImageError(src, err)
	}
	return lab.Image{
		Ref: got.ID, ID: got.ID, ContentSHA256: contentOfImage(got),
		BaseOrigin: officialOrigin(src.Image, got.ID, got.Digests),
	}, nil
}

// haveImage returns the engine's description of an image for its platform. It pulls an image that
// the engine does not have.
func (b *Builder) haveImage(ctx context.Context, ref string) (*Description, error) {
	got, err := b.inspect(ctx, ref)
	if err == nil && got == nil {
		if err = b.pull(ctx, ref); err == nil {
			got, err = b.inspect(ctx, ref)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case got == nil:
		return nil, fmt.Errorf("image %s is missing after the engine pulled it", ref)
	}
	return got, b.checkPlatform(ctx, ref, got, wrongBaseHint)
}

// ownImageError returns the error of an image that a user's source needs.
func ownImageError(src lab.ImageSource, err error) error {
	return &fault.Error{
		Code: fault.ExitFailed, Err: fmt.Errorf("%s (%s): %w", src.Title, src.File, err),
		Hint: "build or load the image on this engine, or check its name and the engine's access to its registry",
	}
}

// contentOfImage returns the content_sha256 of an image that the lab did not build: a hash of its
// platform, its layers, and the part of its configuration that decides what runs. Two builds that
// give equal layers are equal, whatever their times and labels.
func contentOfImage(img *Description) string {
	sum := newFieldHash()
	sum.add("image as it is 1", img.Platform.OS, img.Platform.Architecture, img.Platform.Variant)
	list := func(name string, values []string) {
		sum.add(name, fmt.Sprint(len(values)))
		sum.add(values...)
	}
	list("layers", img.Layers)
	if c := img.Config; c != nil {
		list("env", c.Env)
		list("entrypoint", c.Entrypoint)
		list("cmd", c.Command)
		list("volumes", c.Volumes)
		sum.add(c.User, c.WorkingDir)
	}
	return sum.hex()
}

// ownBase returns what the stages of a user's Dockerfile start from. It pulls images that the engine
// does not have if pull is true, and returns nil if one is missing otherwise.
func (b *Builder) ownBase(ctx context.Context, src lab.ImageSource, pull bool) (*base, error) {
	files, err := readContext(src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f contextFile) bool { return f.path == src.Dockerfile })
	refs, err := stageImages(string(files[i].data), src.BuildArgs)
	if err != nil {
		return nil, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("%s: %s: %w", src.Title, src.Dockerfile, err),
			Hint: "give it a value there (ARG NAME=value), or in " + src.File + " (args)",
		}
	}
	var origins []string
	for _, ref := range refs {
		got, err := b.inspect(ctx, ref)
		if err == nil && got == nil && !pull {
			return nil, nil
		}
		if err == nil {
			got, err = b.haveImage(ctx, ref)
		}
		if err != nil {
			return nil, ownImageError(src, err)
		}
		origins = append(origins, officialOrigin(ref, got.ID, got.Digests))
	}
	origin := scratchOrigin
	if len(origins) > 0 {
		origin = strings.Join(origins, ", ")
	}
	return &base{origin: origin, identity: "own Dockerfile\n" + origin}, nil
}

// Parts of a Dockerfile that name what its stages start from.
var (
	joinedLine  = regexp.MustCompile(`\\[ \t]*\r?\n`)
	argLine     = regexp.MustCompile(`(?i)^\s*ARG\s+([A-Za-z_][A-Za-z0-9_]*)(?:=(.*?))?\s*$`)
	fromLine    = regexp.MustCompile(`(?i)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$`)
	argVariable = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)
)

// stageImages returns the images that the FROM lines of a Dockerfile name, each once and in their
// order, without earlier stages and scratch. args replace the defaults of its ARG lines.
func stageImages(dockerfile string, args map[string]string) (refs []string, err error) {
	values, stages, begun := map[string]string{}, []string{scratchOrigin}, false
	for line := range strings.Lines(joinedLine.ReplaceAllString(dockerfile, " ")) {
		line = strings.TrimSpace(line)
		if arg := argLine.FindStringSubmatch(line); arg != nil && !begun { // others do not apply to FROM
			values[arg[1]] = strings.Trim(arg[2], `"'`)
			if given, ok := args[arg[1]]; ok {
				values[arg[1]] = given
			}
			continue
		}
		from := fromLine.FindStringSubmatch(line)
		if from == nil {
			continue
		}
		begun = true
		ref := argVariable.ReplaceAllStringFunc(from[1], func(variable string) string {
			m := argVariable.FindStringSubmatch(variable)
			value := values[m[1]+m[3]]
			if value == "" {
				value = m[2]
			}
			if value == "" && err == nil {
				err = fmt.Errorf("%s: %s has no value", line, variable)
			}
			return value
		})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(stages, strings.ToLower(ref)) && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
		if from[2] != "" {
			stages = append(stages, strings.ToLower(from[2]))
		}
	}
	return refs, nil
}
