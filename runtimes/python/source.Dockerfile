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
# One step, so that compiler, headers and source are in no layer. httptools and
# uvloop have no wheels for the free-threaded 3.13: for both builds they are
# compiled, from the releases that the lock file pins.
RUN set -eu; \
    tools='gcc libc6-dev libssl-dev make pkgconf xz-utils zlib1g-dev'; \
    sed -i -e 's/^Types: deb$/Types: deb deb-src/' -e 's/^deb \(.*\)/&\ndeb-src \1/' \
      $(find /etc/apt -name sources.list -o -name '*.sources'); \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends --no-upgrade ca-certificates libssl3t64 zlib1g $tools; \
    mkdir /usr/src/python; \
    cd /usr/src/python; \
    apt-get source -q --download-only --only-source "$SOURCE"; \
    tar --extract --strip-components 1 --file ./*.orig.tar.xz; \
    ./configure -q --disable-test-modules --without-ensurepip --without-static-libpython \
      OPT='-DNDEBUG -O3' $CONFIGURE_FLAGS; \
    make -s -j2; \
    make -s install; \
    cd /app; \
    rm -rf /usr/src/python; \
    python3 -m venv /opt/venv; \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1; \
    echo "setuptools==84.2.1 --hash=sha256:ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2" > build.txt; \
    /opt/venv/bin/pip install --no-deps --require-hashes --only-binary :all: -r build.txt; \
    /opt/venv/bin/pip install --no-deps --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary httptools,uvloop -r requirements-source.txt; \
    /opt/venv/bin/pip uninstall -y setuptools; \
    rm build.txt; \
    find /usr/local/lib -name '*.opt-[12].pyc' -delete; \
    apt-get purge -qy --auto-remove $tools; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*
COPY lab_app ./lab_app
# The root is read-only at run time, and not every base ships the standard
# library's bytecode: whatever is compiled here is not compiled at each start.
RUN /opt/venv/bin/python -m compileall -q /app \
 && /opt/venv/bin/python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages|dist-packages)/' \
      "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

# aiohttp and what it stands on have compiled parts in their wheels for 3.13, and
# none in those for the free-threaded one. Neither build is to use them.
ENV AIOHTTP_NO_EXTENSIONS=1 \
    FROZENLIST_NO_EXTENSIONS=1 \
    MULTIDICT_NO_EXTENSIONS=1 \
    PROPCACHE_NO_EXTENSIONS=1 \
    YARL_NO_EXTENSIONS=1
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
CMD ["python", "-m", "lab_app"]
