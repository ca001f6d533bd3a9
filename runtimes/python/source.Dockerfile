# CPython from source, for runtimes that compare two builds of it. BASE_IMAGE is
# debian:trixie-slim, or a stand-in made of the same suite's packages; SOURCE is
# the suite's source package, whose upstream tarball is built as it is, without
# Debian's patches. apt verifies it by the suite's signed index.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL io.runtime-lab.owner=runtime-lab

ARG SOURCE
ARG CONFIGURE_FLAGS=""
WORKDIR /app
COPY requirements-source.txt ./
# One step, so that compiler, headers and source are in no layer. Neither httptools
# nor uvloop has a free-threaded wheel for every Python: in both builds they
# are compiled from the release that the lock file pins, with Debian's setuptools.
RUN set -eu; \
    tools='gcc libc6-dev libssl-dev make pkgconf python3-setuptools-whl xz-utils zlib1g-dev'; \
    sed -i -e 's/^Types: deb$/Types: deb deb-src/' -e 's/^deb \(.*\)/&\ndeb-src \1/' \
      $(find /etc/apt -name sources.list -o -name '*.sources'); \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends ca-certificates libssl3t64 zlib1g $tools; \
    mkdir /usr/src/python; \
    cd /usr/src/python; \
    apt-get source -q --download-only --only-source "$SOURCE"; \
    tar --extract --strip-components 1 --file ./*.orig.tar.xz; \
    ./configure -q --disable-test-modules --without-ensurepip --without-static-libpython \
      OPT='-DNDEBUG -O3' $CONFIGURE_FLAGS; \
    make -s -j2; \
    make -s install COMPILEALL_OPTS='-x .'; \
    cd /app; \
    rm -rf /usr/src/python; \
    python3 -m venv /opt/venv; \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1; \
    /opt/venv/bin/pip install --no-index /usr/share/python-wheels/setuptools-*.whl; \
    /opt/venv/bin/pip install --no-deps --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary httptools,uvloop -r requirements-source.txt; \
    /opt/venv/bin/pip uninstall -qy setuptools; \
    apt-get purge -qy --auto-remove $tools; \
    rm -rf /var/lib/apt/lists/*
COPY lab_app ./lab_app
# The root is read-only at run time, and not every base ships the standard
# library's bytecode: whatever is compiled here is not compiled at each start.
RUN /opt/venv/bin/python -m compileall -q /app \
 && /opt/venv/bin/python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages|dist-packages)/' \
      "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
CMD ["python", "-m", "lab_app"]
