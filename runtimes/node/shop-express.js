// The shop on Express, with EJS as its view engine.
import { fileURLToPath } from 'node:url';

import { settleConnection } from './connection.js';
import { PARAMETERS } from './parameters.js';
import { findProduct, listCategory, placeOrder } from './shop-pg.js';
import { validateBasket, VIEWS } from './shop.js';

/**
 * @param {import('express').Express} app
 * @param {object} handlers express.js's own: see there
 */
export function addShop(app, { allowOnly, parameters, readJson, sendJson }) {
  app.set('views', fileURLToPath(VIEWS));
  app.set('view engine', 'ejs');

  app
    .route('/shop/product')
    .get(parameters(PARAMETERS.product), async (req, res) => sendJson(res, await findProduct(res.locals.id)))
    .all(allowOnly('GET, HEAD'));
  app
    .route('/shop/category')
    .get(parameters(PARAMETERS.category), async (req, res) => {
      const { id } = res.locals;
      sendJson(res, { category: id, products: await listCategory(id) });
    })
    .all(allowOnly('GET, HEAD'));
  app
    .route('/shop/page')
    .get(parameters(PARAMETERS.category), async (req, res) => {
      const { id } = res.locals;
      const products = await listCategory(id);
      settleConnection(res);
      res.render('category', { category: id, products });
    })
    .all(allowOnly('GET, HEAD'));
  app
    .route('/shop/order')
    .post(...readJson(), async (req, res) => {
      validateBasket(res.locals.order);
      sendJson(res, await placeOrder(res.locals.order));
    })
    .all(allowOnly('POST'));
}
