# Node's application on Bun, and one of Bun's own. BASE_IMAGE is node:24-trixie-slim,
# or a stand-in made of Debian's nodejs and npm: npm installs what runs, Node does not.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL io.runtime-lab.owner=runtime-lab

ENV NODE_ENV=production
# The package for the platform is Bun itself; the package "bun" is a wrapper of it.
WORKDIR /opt/bun
COPY bun/package.json bun/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund && npm cache clean --force \
 && ln -s /opt/bun/node_modules/@oven/bun-linux-*/bin/bun /usr/local/bin/bun \
 && bun --revision
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY *.js ./
COPY views ./views
COPY web/*.js ./web/
COPY bun/*.js ./bun/

USER 65532:65532
CMD ["bun", "bun/serve.js"]
