package lab

// ImageSource is what an image is made from: a Dockerfile in a folder, on a base; or an image that
// exists and is used as it is.
type ImageSource struct {
	Name       string            // of the image, unique on an engine: "node", "service/postgres"
	Title      string            // in messages: "runtime node", "service postgres"
	Folder     string            // in labels: "runtimes/node", "scenarios/services/postgres"
	File       string            // path of the script that declares it, as messages show it
	Image      string            // reference of an image to use as it is; empty: it is built
	Base       BaseImage         // value of the Dockerfile's BASE_IMAGE; zero: see IsOwnImage
	ContextDir string            // absolute path of the build context
	Dockerfile string            // file name in ContextDir: "Dockerfile"
	BuildArgs  map[string]string // build arguments
	Ignore     []string          // patterns (path.Match) of names in ContextDir that no image contains
}

// IsOwnImage reports whether the image is one of the user's own: one that exists already, or that a
// Dockerfile of any form makes. The lab chooses no base for it.
func (s ImageSource) IsOwnImage() bool { return s.Base.isZero() }

// Source returns what the runtime's image is made from.
func (r Runtime) Source() ImageSource {
	return ImageSource{
		Name: r.Name, Title: "runtime " + r.Name, Folder: "runtimes/" + r.Name, File: r.File,
		Image: r.Image, Base: r.Base,
		ContextDir: r.ContextDir, Dockerfile: r.Dockerfile, BuildArgs: r.BuildArgs, Ignore: r.Ignore,
	}
}

// ServiceDefinition is one folder under scenarios/services/: an image, and how a trial runs it.
type ServiceDefinition struct {
	About  string      // one line for people
	Source ImageSource // what its image is made from
	// Service is what a trial opens. Its Image is set as soon as the image is made.
	Service Service
}

// serviceImagePrefix begins the names of images of services. A runtime's name has no slash.
const serviceImagePrefix = "service/"

// ServiceImageName returns the name of the image of a service in scenarios/services.
func ServiceImageName(service string) string { return serviceImagePrefix + service }
