// Package image owns what containers start from: the bases (official images,
// or stand-ins made of Debian packages), the runtimes' images built on them,
// and the agent's image. An image is known by content_sha256: what went into
// it, never the engine's id, which differs between rebuilds of equal content.
//
// Bases. All runtimes of a run get the same kind of base: an official image
// for one and a stand-in for another would compare packagers, not runtimes. In
// mode auto the official images are used when all of them are present; else
// the stand-ins when all of those are present, without asking a registry
// again (LAB_BASES=official asks); else they are pulled, and only where the
// registry cannot be reached at all are stand-ins made. A registry that
// answers "too many requests" or 5xx is retried, then it is an error. A base that
// cannot be had is the error of its own runtime only.
//
// Contexts. Runtimes may share a build context, as two builds of one source do:
// what tells their images apart is the Dockerfile and the build arguments, which
// are part of content_sha256. An argument that the Dockerfile does not take is an
// error, as it would leave two images equal that were meant to differ. Equal sources
// give an equal context wherever the checkout lies: what editors and systems leave
// beside them is no part of it (litter), and modes follow from the content of files.
//
// Stand-ins. A stand-in's tag is a hash of suite, package names, CA bundle and
// recipe: runtimes that have these in common share it. Package versions are not in
// the hash: a Debian suite moves, so the same tag made next month may hold newer
// packages. The origin names the versions that are really in a stand-in, is written
// into its labels when it is made, and is part of the content_sha256 of whatever is
// built on it.
//
// Nothing left behind. The classic builder commits one untagged image per
// step. Builds are therefore not tagged by the builder: when all of them have
// ended, each result is registered anew by its configuration and its layers,
// without a parent, and the builder's chain is removed. One lab builds at a
// time, by a lock on this host, so that none removes the steps of another.
package image
