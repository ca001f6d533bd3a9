"""The shop on FastAPI: pydantic reads and writes, asyncpg asks, Jinja2Templates makes pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab_app import fastapi_app, orders, shop
from lab_app.errors import InvalidOrder
from lab_app.fastapi_app import READ, body_chunks, integer, router, whole_number
from lab_app.shop_asyncpg import Shop

templates = Jinja2Templates(shop.TEMPLATES)


@asynccontextmanager
async def live(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with fastapi_app.live(app) as state, Shop() as open_shop:
        yield state | {"shop": open_shop}


async def the_shop(request: Request) -> Shop:
    return request.state.shop


OpenShop = Annotated[Shop, Depends(the_shop)]


class ProductQuery(BaseModel):
    id: whole_number(1, shop.MAX_PRODUCT)


class CategoryQuery(BaseModel):
    id: whole_number(1, shop.MAX_CATEGORY)


class Product(BaseModel):
    id: int
    sku: str
    category: int
    name: str
    price_cents: int
    stock: int


class Listed(BaseModel):
    id: int
    sku: str
    name: str
    price_cents: int


class Category(BaseModel):
    category: int
    products: list[Listed]


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product: integer(1, shop.MAX_ID)
    quantity: integer(1, shop.MAX_QUANTITY)


class Basket(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer: integer(1, shop.MAX_ID)
    lines: list[Line] = Field(min_length=1, max_length=shop.MAX_LINES)


class PricedLine(BaseModel):
    product: int
    quantity: int
    unit_cents: int


class PlacedOrder(BaseModel):
    order: int
    customer: int
    lines: list[PricedLine]
    total_cents: int


async def read_basket(request: Request) -> Basket:
    """The order of the body: see fastapi_app.read_order."""
    orders.require_json(request.headers.get("content-type", ""))
    body = bytearray()
    async for chunk in body_chunks(request, orders.MAX_BODY_BYTES):
        body += chunk
    try:
        return Basket.model_validate(orders.parse_order(body))
    except ValidationError:
        raise InvalidOrder from None


@router.api_route("/shop/product", methods=READ)
async def get_product(query: Annotated[ProductQuery, Query()], open_shop: OpenShop) -> Product:
    return await open_shop.product(query.id)


@router.api_route("/shop/category", methods=READ)
async def get_category(query: Annotated[CategoryQuery, Query()], open_shop: OpenShop) -> Category:
    return {"category": query.id, "products": await open_shop.category(query.id)}


@router.api_route("/shop/page", methods=READ, response_class=HTMLResponse)
async def get_page(
    request: Request, query: Annotated[CategoryQuery, Query()], open_shop: OpenShop
) -> HTMLResponse:
    context = {"category": query.id, "products": await open_shop.category(query.id)}
    return templates.TemplateResponse(request, "category.html", context)


@router.post("/shop/order")
async def post_order(basket: Annotated[Basket, Depends(read_basket)], open_shop: OpenShop) -> PlacedOrder:
    lines = shop.require_distinct([(line.product, line.quantity) for line in basket.lines])
    return await open_shop.place(basket.customer, lines)
