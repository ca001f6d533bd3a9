"""The raw ASGI application beside a database: with the shop. Pages are Jinja's."""

import jinja2

from lab_app import parameters, shop
from lab_app.asgi import Application, query, read_json, readable, respond, respond_json
from lab_app.shop_asyncpg import Shop

HTML = b"text/html; charset=utf-8"


class ShopApplication(Application):
    def __init__(self, identity):
        super().__init__(identity)
        self._shop = None  # while the server runs
        loader = jinja2.FileSystemLoader(shop.TEMPLATES)
        templates = jinja2.Environment(loader=loader, autoescape=jinja2.select_autoescape())
        self._page = templates.get_template("category.html")
        self._routes |= {
            "/shop/product": readable(self._get_product),
            "/shop/category": readable(self._get_category),
            "/shop/page": readable(self._get_page),
            "/shop/order": {"POST": self._post_order},
        }

    async def _live(self, receive, send):
        async with Shop() as self._shop:
            await super()._live(receive, send)

    async def _get_product(self, scope, receive, send):
        number = parameters.require(query(scope), "id", 1, shop.MAX_PRODUCT)
        await respond_json(send, await self._shop.product(number))

    async def _get_category(self, scope, receive, send):
        number = parameters.require(query(scope), "id", 1, shop.MAX_CATEGORY)
        products = await self._shop.category(number)
        await respond_json(send, {"category": number, "products": products})

    async def _get_page(self, scope, receive, send):
        number = parameters.require(query(scope), "id", 1, shop.MAX_CATEGORY)
        products = await self._shop.category(number)
        await respond(send, 200, HTML, self._page.render(category=number, products=products).encode())

    async def _post_order(self, scope, receive, send):
        customer, lines = shop.read_basket(await read_json(scope, receive))
        await respond_json(send, await self._shop.place(customer, lines))
