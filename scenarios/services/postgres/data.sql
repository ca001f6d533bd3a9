-- 100,000 products in 500 categories, 1,000 customers, 3,000 orders of 1 to 3 lines: 110,000 rows. They
-- are arithmetic on the row's number, not random: every image has the same rows, in the same order on
-- the same pages. The factors are primes, which divide none of the moduli: values spread evenly and
-- repeat late. Scenarios compute what they expect by the same arithmetic (scenarios/shop-*.star).

-- Every fifth name has all that HTML escapes, and some have letters that are not ASCII. Stock lasts for
-- any phase; only the products above 99,900, which no scenario asks for, run out.
INSERT INTO products (id, sku, category_id, name, price_cents, stock)
SELECT i,
       'SKU-' || lpad(i::text, 6, '0'),
       1 + i % 500,
       (ARRAY['bolt', 'nut', 'washer', 'screw', 'rivet', 'bracket', 'hinge', 'spring'])[1 + i % 8]
         || ' M' || 2 + i * 7 % 23
         || CASE WHEN i % 5 = 0 THEN ' <zinc> & "hard" ''set''' WHEN i % 7 = 0 THEN ' für Öl' ELSE '' END,
       50 + i * 7919 % 19997,
       CASE WHEN i > 99900 THEN i % 10 ELSE 1000000 + i % 900 END
FROM generate_series(1, 100000) AS i ORDER BY i;

INSERT INTO customers (id, name, email, city)
SELECT i,
       (ARRAY['Ada', 'Alan', 'Barbara', 'Edsger', 'Grace', 'Ken', 'Niklaus', 'Tony'])[1 + i * 3 % 8] || ' '
         || (ARRAY['Adams', 'Brown', 'Clark', 'Davis', 'Evans', 'Fischer', 'Garcia', 'Hughes', 'Ito', 'Jones',
                   'Kim'])[1 + i * 5 % 11],
       'customer' || i || '@example.com',
       (ARRAY['Berlin', 'Lagos', 'Lima', 'Oslo', 'Osaka', 'Porto', 'Quito'])[1 + i * 11 % 7]
FROM generate_series(1, 1000) AS i ORDER BY i;

INSERT INTO orders (customer_id, placed_at)
SELECT 1 + i * 7919 % 1000,
       timestamptz '2026-01-01 00:00:00+00' + i * interval '97 seconds'
FROM generate_series(1, 3000) AS i ORDER BY i;

INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
SELECT o, line, p.id, 1 + (o * 13 + line * 7) % 20, p.price_cents
FROM generate_series(1, 3000) AS o
CROSS JOIN LATERAL generate_series(1, 1 + o % 3) AS line
JOIN products AS p ON p.id = 1 + (o * 7919 + line * 104729) % 100000
ORDER BY o, line;

-- What the books begin with: see counts in service.star.
CREATE TABLE books.opening AS
SELECT (SELECT max(id) FROM orders) AS last_order, (SELECT sum(stock) FROM products) AS stock;
