// The shop on Fastify: schemas for what goes in and out, and @fastify/view with EJS.
import { fileURLToPath } from 'node:url';

import view from '@fastify/view';
import ejs from 'ejs';

import { NotJson } from './body.js';
import { InvalidOrder, MAX_BODY_BYTES } from './orders.js';
import { PARAMETERS } from './parameters.js';
import { answer, exactly, integer } from './schemas.js';
import { findProduct, listCategory, placeOrder } from './shop-pg.js';
import { BASKET_BOUNDS, requireDistinct, VIEWS } from './shop.js';

const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

const BASKET = exactly({
  customer: integer(1, BASKET_BOUNDS.id),
  lines: {
    type: 'array',
    minItems: 1,
    maxItems: BASKET_BOUNDS.lines,
    items: exactly({ product: integer(1, BASKET_BOUNDS.id), quantity: integer(1, BASKET_BOUNDS.quantity) }),
  },
});

const ORDER = {
  order: INTEGER,
  customer: INTEGER,
  lines: { type: 'array', items: answer({ product: INTEGER, quantity: INTEGER, unit_cents: INTEGER }) },
  total_cents: INTEGER,
};

const PRODUCT = {
  id: INTEGER,
  sku: STRING,
  category: INTEGER,
  name: STRING,
  price_cents: INTEGER,
  stock: INTEGER,
};

const LISTED = answer({ id: INTEGER, sku: STRING, name: STRING, price_cents: INTEGER });

/**
 * @param {import('fastify').FastifyInstance} app
 * @param {Function} withParameters fastify.js's own: see there
 */
export function addShop(app, withParameters) {
  app.register(view, { engine: { ejs }, root: fileURLToPath(VIEWS), production: true });

  app.get('/shop/product', withParameters(PARAMETERS.product, PRODUCT), async ({ query: { id } }) => findProduct(id));
  app.get(
    '/shop/category',
    withParameters(PARAMETERS.category, { category: INTEGER, products: { type: 'array', items: LISTED } }),
    async ({ query: { id } }) => ({ category: id, products: await listCategory(id) }),
  );
  app.get('/shop/page', withParameters(PARAMETERS.category), async ({ query: { id } }, reply) =>
    reply.viewAsync('category.ejs', { category: id, products: await listCategory(id) }),
  );
  app.post(
    '/shop/order',
    {
      bodyLimit: MAX_BODY_BYTES,
      schema: { body: BASKET, response: { 200: answer(ORDER) } },
      schemaErrorFormatter: () => new InvalidOrder(),
      // Without a content-type Fastify lets a request pass that has no body.
      preValidation: (request, reply, done) => {
        done(request.body === undefined ? new NotJson() : undefined);
      },
    },
    async ({ body }) => {
      requireDistinct(body);
      return placeOrder(body);
    },
  );
}
