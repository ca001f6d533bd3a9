"""The shop on Flask: psycopg's pool asks, Flask's own Jinja makes pages."""

from flask import Blueprint, current_app, render_template, request

from lab_app import parameters, shop
from lab_app.flask_app import read_json

views = Blueprint("shop", __name__, template_folder="templates")


def open_shop():
    return current_app.extensions["shop"]


@views.get("/shop/product")
def get_product():
    return open_shop().product(parameters.require(request.args, "id", 1, shop.MAX_PRODUCT))


@views.get("/shop/category")
def get_category():
    number = parameters.require(request.args, "id", 1, shop.MAX_CATEGORY)
    return {"category": number, "products": open_shop().category(number)}


@views.get("/shop/page")
def get_page():
    number = parameters.require(request.args, "id", 1, shop.MAX_CATEGORY)
    return render_template("category.html", category=number, products=open_shop().category(number))


@views.post("/shop/order")
def post_order():
    return open_shop().place(*shop.read_basket(read_json()))
