"""The shop on Django: its models, and sync views, because transactions of Django's ORM are sync.
Under ASGI Django runs such a view in a thread; psycopg's pool is the database's option. This is
the root of the URLs where there is a database: models are loaded once Django is set up."""

from django.db import models, transaction
from django.shortcuts import render
from django.urls import path
from django.views import View

from lab_app import django_app, orders, parameters, shop
from lab_app.django_app import body_of, json_response, refuse_method


class Product(models.Model):
    id = models.IntegerField(primary_key=True)
    sku = models.TextField(unique=True)
    category_id = models.IntegerField()
    name = models.TextField()
    price_cents = models.IntegerField()
    stock = models.IntegerField()

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "products"


class Customer(models.Model):
    id = models.IntegerField(primary_key=True)

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "customers"


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, models.PROTECT)

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "orders"


class OrderLine(models.Model):
    pk = models.CompositePrimaryKey("order_id", "line")
    order = models.ForeignKey(Order, models.CASCADE)
    line = models.SmallIntegerField()
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.IntegerField()
    unit_cents = models.IntegerField()

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "order_lines"


class Endpoint(View):
    # HEAD is answered by get(). OPTIONS, which Django answers by itself, is none.
    http_method_names = ["get", "head", "post"]

    def http_method_not_allowed(self, request):
        return refuse_method(self)


class ProductByKey(Endpoint):
    def get(self, request):
        number = parameters.require(request.GET, "id", 1, shop.MAX_PRODUCT)
        fields = ("id", "sku", "name", "price_cents", "stock")
        found = Product.objects.values(*fields, category=models.F("category_id")).get(id=number)
        order = ("id", "sku", "category", "name", "price_cents", "stock")
        return json_response({name: found[name] for name in order})


def list_category(number):
    products = Product.objects.filter(category_id=number).order_by("price_cents", "id")
    return list(products.values("id", "sku", "name", "price_cents")[:20])


class Category(Endpoint):
    def get(self, request):
        number = parameters.require(request.GET, "id", 1, shop.MAX_CATEGORY)
        return json_response({"category": number, "products": list_category(number)})


class Page(Endpoint):
    def get(self, request):
        number = parameters.require(request.GET, "id", 1, shop.MAX_CATEGORY)
        context = {"category": number, "products": list_category(number)}
        return render(request, "category.html", context)


class PlaceOrder(Endpoint):
    def post(self, request):
        orders.require_json(request.headers.get("content-type", ""))
        customer, lines = shop.read_basket(orders.parse_order(body_of(request)))
        return json_response(place(customer, lines))


@transaction.atomic
def place(customer, lines):
    if not Customer.objects.filter(id=customer).exists():
        raise shop.NoSuchCustomer
    asked = [product for product, _ in lines]
    locked = Product.objects.select_for_update().filter(id__in=asked).order_by("id")
    products = {product.id: product for product in locked.only("price_cents", "stock")}
    found = {number: (product.price_cents, product.stock) for number, product in products.items()}
    priced = shop.price_lines(lines, found)
    for number, quantity, _ in priced:
        products[number].stock -= quantity
    Product.objects.bulk_update(products.values(), ["stock"])
    order = Order.objects.create(customer_id=customer)
    OrderLine.objects.bulk_create(
        OrderLine(order=order, line=line, product_id=number, quantity=quantity, unit_cents=unit_cents)
        for line, (number, quantity, unit_cents) in enumerate(priced, 1)
    )
    return shop.confirm(order.id, customer, priced)


handler404 = django_app.handler404
urlpatterns = [
    *django_app.urlpatterns,
    path("shop/product", ProductByKey.as_view()),
    path("shop/category", Category.as_view()),
    path("shop/page", Page.as_view()),
    path("shop/order", PlaceOrder.as_view()),
]
