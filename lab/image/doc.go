// Package image provides images: official bases or stand-ins made of Debian packages, the images of
// runtimes and services that are built on them, and the agent's image. An image is identified by
// content_sha256, the hash of its input. The engine's id does not identify it, because every rebuild
// of the same content has another one.
//
// Bases. All runtimes and services of a run get the same kind of base. An official image for one
// and a stand-in for another would compare packagers, not runtimes. Mode auto takes the first kind
// that it can have: the official images, if the engine has all of them; the stand-ins, if the
// engine has all of those; the official images, by pulling them (LAB_BASES=official pulls
// instead). Only if no registry can be reached does it make stand-ins. If a registry answers "too
// many requests" or 5xx, the pull is retried and then fails. A missing base is an error of its own
// source only.
//
// Contexts. Runtimes may share a build context, as two builds of one source do. Their Dockerfiles
// and build arguments, which are part of content_sha256, distinguish their images. An argument that
// the Dockerfile does not declare is an error, because it would make two images equal that should
// differ. Equal sources give an equal context in every checkout: the files of editors and operating
// systems (litter) and what a runtime ignores are left out, and file modes follow from the content
// of files.
//
// Stand-ins. The tag of a stand-in is a hash of suite, package names, CA bundle, recipe, and the
// variables that name the bundle for a runtime's tools. Runtimes with the same values share it. The
// hash does not include package versions: a Debian suite moves, so the same tag made a month later
// may hold newer packages. The origin of a stand-in names its package versions. It is written into
// the stand-in's labels, and is part of the content_sha256 of every image built on it. So is the
// hash without the variables, which are not part of these images.
//
// Cleaning up. A builder may leave untagged images, which builds may share. The lab therefore does
// not let the builder tag its images. When all builds have ended, it registers each result so that
// it does not depend on them, and removes them. Only one lab of a host builds at a time, under a
// lock, so that it cannot remove the steps of another.
//
// Engines. Interface Engine is all that this package needs of an engine.
package image
