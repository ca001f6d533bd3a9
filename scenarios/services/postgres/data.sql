-- 1,000 products, 1,000 customers, 3,000 orders of 1 to 3 lines: 11,000 rows. They are arithmetic on
-- the row's number, not random: every image has the same rows, in the same order on the same pages.
-- The factors are primes, which divide none of the moduli: values spread evenly and repeat late.

INSERT INTO products (id, sku, name, price_cents, stock)
SELECT i,
       'SKU-' || lpad(i::text, 5, '0'),
       (ARRAY['bolt', 'nut', 'washer', 'screw', 'rivet', 'bracket', 'hinge', 'spring'])[1 + i % 8]
         || ' M' || 2 + i * 7 % 23,
       50 + i * 7919 % 20000,
       100 + i * 104729 % 900
FROM generate_series(1, 1000) AS i ORDER BY i;

INSERT INTO customers (id, name, email, city)
SELECT i,
       (ARRAY['Ada', 'Alan', 'Barbara', 'Edsger', 'Grace', 'Ken', 'Niklaus', 'Tony'])[1 + i * 3 % 8] || ' '
         || (ARRAY['Adams', 'Brown', 'Clark', 'Davis', 'Evans', 'Fischer', 'Garcia', 'Hughes', 'Ito', 'Jones',
                   'Kim'])[1 + i * 5 % 11],
       'customer' || i || '@example.com',
       (ARRAY['Berlin', 'Lagos', 'Lima', 'Oslo', 'Osaka', 'Porto', 'Quito'])[1 + i * 11 % 7]
FROM generate_series(1, 1000) AS i ORDER BY i;

INSERT INTO orders (customer_id, placed_at, express, note)
SELECT 1 + i * 7919 % 1000,
       timestamptz '2026-01-01 00:00:00+00' + i * interval '97 seconds',
       i % 5 = 0,
       CASE WHEN i % 4 = 0 THEN 'ring twice' END
FROM generate_series(1, 3000) AS i ORDER BY i;

INSERT INTO order_lines (order_id, line, product_id, quantity, unit_cents)
SELECT o, line, p.id, 1 + (o * 13 + line * 7) % 20, p.price_cents
FROM generate_series(1, 3000) AS o
CROSS JOIN LATERAL generate_series(1, 1 + o % 3) AS line
JOIN products AS p ON p.id = 1 + (o * 7919 + line * 104729) % 1000
ORDER BY o, line;
