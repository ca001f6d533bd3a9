# An application on Deno. BASE_IMAGE is node:24-trixie-slim, or a stand-in made of
# Debian's nodejs and npm: npm installs what runs, Node does not.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL io.runtime-lab.owner=runtime-lab

# The package for the platform is Deno itself; the package "deno" is a wrapper of it.
WORKDIR /opt/deno
COPY deno/package.json deno/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund && npm cache clean --force \
 && ln -s /opt/deno/node_modules/@deno/linux-*/deno /usr/local/bin/deno \
 && deno --version
# Without package.json, which Deno would take for a request to resolve what it lists.
WORKDIR /app
COPY *.js ./
COPY web/*.js ./web/
COPY deno/*.js ./deno/

ENV DENO_DIR=/tmp/deno \
    DENO_NO_UPDATE_CHECK=1
USER 65532:65532
CMD ["deno", "run", "--allow-net", "--allow-env", "--allow-run=/usr/bin/grep", "deno/serve.js"]
