from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "job_owner";
        CREATE TABLE IF NOT EXISTS "project" (
    "name" VARCHAR(64) NOT NULL PRIMARY KEY,
    "jobs_limit" INT,
    "files_limit_bytes" BIGINT,
    "changed_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE "project" IS 'The bounds of one project, where they are not those of the settings.';
        CREATE TABLE IF NOT EXISTS "webhook_delivery" (
    "id" UUID NOT NULL PRIMARY KEY,
    "webhook_id" UUID,
    "project" VARCHAR(64) NOT NULL,
    "url" VARCHAR(2048),
    "lane" VARCHAR(255) NOT NULL,
    "job_id" UUID,
    "type" VARCHAR(64) NOT NULL,
    "body" JSONB NOT NULL,
    "state" VARCHAR(16) NOT NULL,
    "tries" SMALLINT NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ,
    "log" JSONB,
    "created_at" TIMESTAMPTZ NOT NULL,
    "finished_at" TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS "webhook_delivery_project" ON "webhook_delivery" ("project", "id");
CREATE INDEX IF NOT EXISTS "webhook_delivery_pending" ON "webhook_delivery" ("lane", "due_at") WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS "webhook_delivery_due" ON "webhook_delivery" ("due_at", "lane") WHERE state = 'pending';
COMMENT ON TABLE "webhook_delivery" IS 'One message to one address.';
        CREATE TABLE IF NOT EXISTS "webhook" (
    "id" UUID NOT NULL PRIMARY KEY,
    "project" VARCHAR(64) NOT NULL,
    "url" VARCHAR(2048) NOT NULL,
    "types" JSONB NOT NULL,
    "secret" VARCHAR(100) NOT NULL,
    "old_secret" VARCHAR(100),
    "old_until" TIMESTAMPTZ,
    "failing_since" TIMESTAMPTZ,
    "disabled_at" TIMESTAMPTZ,
    "disabled_reason" VARCHAR(255),
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS "webhook_project" ON "webhook" ("project", "id");
COMMENT ON TABLE "webhook" IS 'An address of a project, with the secret that signs what is sent there.';
        CREATE TABLE IF NOT EXISTS "webhook_secret" (
    "project" VARCHAR(64) NOT NULL PRIMARY KEY,
    "secret" VARCHAR(100) NOT NULL,
    "old_secret" VARCHAR(100),
    "old_until" TIMESTAMPTZ
);
COMMENT ON TABLE "webhook_secret" IS 'What signs for the webhooks that jobs of a project carry themselves.';
        CREATE TABLE IF NOT EXISTS "audit" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "project" VARCHAR(64) NOT NULL,
    "actor" VARCHAR(100) NOT NULL,
    "key_id" UUID,
    "action" VARCHAR(64) NOT NULL,
    "target" VARCHAR(255),
    "detail" JSONB
);
CREATE INDEX IF NOT EXISTS "audit_project" ON "audit" ("project", "id");
COMMENT ON TABLE "audit" IS 'One thing that somebody did.';
        CREATE TABLE IF NOT EXISTS "idempotency" (
    "digest" VARCHAR(64) NOT NULL PRIMARY KEY,
    "fingerprint" VARCHAR(64) NOT NULL,
    "status" SMALLINT,
    "headers" JSONB,
    "body" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "held_until" TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS "idempotency_age" ON "idempotency" ("created_at");
COMMENT ON TABLE "idempotency" IS 'The first answer to a key; without a status while that is being made.';
        CREATE TABLE IF NOT EXISTS "job_log" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "attempt" INT NOT NULL,
    "n" INT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "level" VARCHAR(16) NOT NULL,
    "message" TEXT NOT NULL,
    "job_id" UUID NOT NULL,
    CONSTRAINT "uid_job_log_job_id_ccfd84" UNIQUE ("job_id", "attempt", "n")
);
COMMENT ON TABLE "job_log" IS 'One line that an attempt of a job logged; `n` counts from 1.';
        ALTER TABLE "job_event" ADD "tx" BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint;
        ALTER TABLE "job" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "job" ADD "cancel_grace_s" DOUBLE PRECISION;
        ALTER TABLE "job" ADD "submitted_by" VARCHAR(100);
        ALTER TABLE "job" ADD "trace" VARCHAR(55);
        ALTER TABLE "job" ADD "parent_id" UUID;
        ALTER TABLE "job" ADD "webhook" JSONB;
        ALTER TABLE "job" ADD "tags" JSONB;
        ALTER TABLE "job" ADD "dedupe" VARCHAR(255);
        ALTER TABLE "job" ADD "pinned" BOOL NOT NULL DEFAULT False;
        ALTER TABLE "worker" ADD "wish" VARCHAR(16);
        ALTER TABLE "worker" ADD "slots" JSONB;
        ALTER TABLE "file" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "api_key" RENAME COLUMN "owner" TO "project";
        ALTER TABLE "api_key" ADD "prefix" VARCHAR(16) NOT NULL DEFAULT '';
        ALTER TABLE "api_key" ALTER "prefix" DROP DEFAULT;
        ALTER TABLE "api_key" ADD "used_at" TIMESTAMPTZ;
        ALTER TABLE "api_key" ADD "scopes" JSONB NOT NULL DEFAULT '["cancel", "operate", "read", "submit"]';
        ALTER TABLE "api_key" ALTER "scopes" DROP DEFAULT;
        UPDATE "api_key" SET "scopes" = '["admin", "cancel", "operate", "read", "submit"]'
            WHERE "name" = 'command line' AND "project" = 'default' AND "kind" = 'key';
        ALTER TABLE "api_key" ADD "per_minute" INT;
        ALTER TABLE "api_key" ADD "parent_id" UUID;
        ALTER TABLE "api_key" ADD "successor_id" UUID;
        CREATE TABLE IF NOT EXISTS "turn" (
    "queue" VARCHAR(64) NOT NULL PRIMARY KEY,
    "at" DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE "turn" IS 'How far a queue has come: the furthest turn that has begun; see `places.py`.';
        INSERT INTO "turn" ("queue", "at")
            SELECT "queue", coalesce(max("at") FILTER (WHERE "state" = 'running'), min("at"))
            FROM (SELECT "queue", "state", "place" + 60 * "priority" AS "at" FROM "job"
                WHERE "state" NOT IN ('succeeded', 'failed', 'cancelled') AND "place" IS NOT NULL) "open"
            GROUP BY "queue";
        COMMENT ON COLUMN "api_key"."kind" IS 'KEY: key\nLINK: link\nSESSION: session\nTICKET: ticket';
        CREATE INDEX IF NOT EXISTS "job_place" ON "job" ("queue", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "job_last" ON "job" ("queue", "project", "priority", "place") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "file_usage" ON "file" ("project", "id", "size_bytes");
        CREATE INDEX IF NOT EXISTS "file_uploaded" ON "file" ("project", "id") WHERE "job_id" IS NULL;
        CREATE INDEX IF NOT EXISTS "job_event_order" ON "job_event" ("tx", "id");
        CREATE INDEX IF NOT EXISTS "job_failed" ON "job" ("project", "id") WHERE state = 'failed';
        CREATE INDEX IF NOT EXISTS "job_dedupe" ON "job" ("project", "dedupe", "state", "finished_at")
            WHERE "dedupe" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_tags" ON "job" USING GIN ("tags") WHERE "tags" IS NOT NULL;
        CREATE INDEX IF NOT EXISTS "job_project" ON "job" ("project", "id");
        CREATE INDEX IF NOT EXISTS "job_waiting" ON "job" ("project") WHERE state IN ('blocked', 'scheduled');
        ALTER TABLE "job_need" DROP CONSTRAINT IF EXISTS "job_need_needed_id_fkey";
        CREATE INDEX IF NOT EXISTS "job_succeeded" ON "job" ("kind", "id") WHERE state = 'succeeded';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE IF EXISTS "turn";
        UPDATE "job" SET "place" = extract(epoch FROM "queued_at") - 60 * "priority"
            WHERE "state" NOT IN ('succeeded', 'failed', 'cancelled');
        DROP INDEX IF EXISTS "job_last";
        DROP INDEX IF EXISTS "job_place";
        DROP INDEX IF EXISTS "file_usage";
        DROP INDEX IF EXISTS "file_uploaded";
        DROP INDEX IF EXISTS "job_event_order";
        DROP INDEX IF EXISTS "job_succeeded";
        DROP INDEX IF EXISTS "job_waiting";
        DROP INDEX IF EXISTS "job_project";
        DELETE FROM "job_need" WHERE NOT EXISTS (SELECT FROM "job" WHERE "job"."id" = "job_need"."needed_id");
        ALTER TABLE "job_need" ADD CONSTRAINT "job_need_needed_id_fkey"
            FOREIGN KEY ("needed_id") REFERENCES "job" ("id") ON DELETE CASCADE;
        DROP INDEX IF EXISTS "job_tags";
        DROP INDEX IF EXISTS "job_dedupe";
        DROP INDEX IF EXISTS "job_failed";
        ALTER TABLE "job" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "job" DROP COLUMN "cancel_grace_s";
        ALTER TABLE "job" DROP COLUMN "submitted_by";
        ALTER TABLE "job" DROP COLUMN "trace";
        ALTER TABLE "job" DROP COLUMN "parent_id";
        ALTER TABLE "job" DROP COLUMN "webhook";
        ALTER TABLE "job" DROP COLUMN "tags";
        ALTER TABLE "job" DROP COLUMN "dedupe";
        ALTER TABLE "job" DROP COLUMN "pinned";
        ALTER TABLE "api_key" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "api_key" DROP COLUMN "prefix";
        ALTER TABLE "api_key" DROP COLUMN "used_at";
        ALTER TABLE "api_key" DROP COLUMN "scopes";
        ALTER TABLE "api_key" DROP COLUMN "per_minute";
        ALTER TABLE "api_key" DROP COLUMN "parent_id";
        ALTER TABLE "api_key" DROP COLUMN "successor_id";
        ALTER TABLE "file" RENAME COLUMN "project" TO "owner";
        ALTER TABLE "job_event" DROP COLUMN "tx";
        ALTER TABLE "worker" DROP COLUMN "wish";
        ALTER TABLE "worker" DROP COLUMN "slots";
        DROP TABLE IF EXISTS "job_log";
        DROP TABLE IF EXISTS "audit";
        DROP TABLE IF EXISTS "webhook";
        DROP TABLE IF EXISTS "idempotency";
        DROP TABLE IF EXISTS "project";
        DROP TABLE IF EXISTS "webhook_delivery";
        DROP TABLE IF EXISTS "webhook_secret";
        CREATE INDEX IF NOT EXISTS "job_owner" ON "job" ("owner", "id");"""


MODELS_STATE = (
    "eJztXWtz27oR/SsYfUkyo2Ycx3FSp+2MbCuJGsdO/ei9vdcdBSIhiTUFMCBp2b3Nfy8Avk"
    "mQBiXKphh8SSwSy8dZcIE9u1j80YP0u3trvBx4Hlo43jkyCDV7B+CPHoYLxP6QN+iz446T"
    "nOYHPDixA4mgqWg0cT0KDY8dnkLbReyQiVyDWo5nEcwbn2EEQgFApgCC/5BJHyypxY5hsJ"
    "yzfywPzKELEDaR+R54cwQIE/Lm0APUxy5wPYhNF1hYnGPyz1xAyfIlfwCTGOwJLDx7hHv5"
    "2Pruo7FHZoidpOyOv//eY034OewvJuzQv//N/rbYxe+Qy8/zn87NeGohO4u6JTAWx8fevS"
    "OOHVqzEfY+iLb81SZjg9j+AiftnXtvTnAsYGGhhBnCiEIP8Tt41EficWw7VFekl+DpkybB"
    "U6ZkTDSFvs1VyaWDB0iO9cbj07PL8cXwcjzuFdQcSaS0ER4yCOZdhD2qKwCY8Uf40593d1"
    "+/fru783r/3Zu9t2/fvNt5x9qK5y2eevsjeJgEreBSArPRx9HpJX8gwvph0D/5gR9CBnow"
    "kBLKSNAPtVXQQCn8icDDKogAr9JBdCBRQvL5PJ4Wdl/tvd1793p/LwY/PlKFeYRvgueS0B"
    "sZnkdzSOWAJhI5QNljbiOgC3g3thGeeXP289Xuuwr4/jk4P/o0OH/OWr3IdtzT8NRucC6L"
    "MbNMlOExhl4R52OGlGctkBzrrGQObzMUfRn9sYXoV4B9OfoyvLgcfPnKL79w3e+2wGtwOe"
    "RndsXR+9zR5/s5vcQXAb+MLj8B/hP8dnY6FHAS15tRccek3eVvPf5M0PfIGJPlGJppTKLD"
    "0aGMmqcWttz5SnrOiTag6HBk0HpuXs/E9wwSKEHVZqZEVjKaLdNmzmbuq5jMvMZSFnM/bz"
    "ARpUQyJv394uxUjm8skP9yLMMD/wO25aqM9S1DuQJVjkTmc4nQfP5l8Gse6KOTs8P8d8Av"
    "cJhDnbsDaAKNmyLyl+iuZHqVEepC366yVMNfL6tRjw3Vydnpx6h5XhVZ1B0Eb8YLtCD0fj"
    "y599jtankXUvGVZrot08NjuhuJNgzHH0s08MEmsEQBsUQO9CkX2T7YKxA8Prs6PBmCr+fD"
    "o9HFKDRA8cgsTvJD7IDlCQjOh4OTHL7M5x7LHOirq9GxHN9EIgew71vmSy7XrWmvsCevg9"
    "EybbHFm/74wWmJ6Y3UNQ75jFzPJRRZM/wZ3Qt4R5jTJIZsJhKySX8nk4RJ2k5Yk6OpB6Bw"
    "GZM5qU7FADCRjYIOezS4OBocD3sCZT6oLSE1xxm4+RmyS3JH4rbFU4vdRf4IxHAmwOFvIW"
    "ahAfTDW4QreL706X4Vy8ffDvHG6jyfMYd4hmLq7Zmg0zz0Hnxz0fdvwCA+gxhMKVmAV2Bp"
    "sY7je6zpDDpyLm+N613jazyw7fASrrgG+8mu4oI5vEUB9UdNRME3764PLPPbASCsTwNMmD"
    "WF2GVvy14NEJu38dhleMNvwGLXchDus3b8Cdl83AUTNGUfCLC8B2lC9twFjvCPXqLZnnfH"
    "m7FexRuhO4d9ty57jFjtaRMotDMWLyE0F36CPSHJ3kH8+KEpyFZSkIGi1dEP2j8x+3jx3T"
    "4Ofj1/9tyZjQ2fUt4H79jHwkzh8xcHBx7reuy/iTVjD/fsxZboKUWzsS+0oJhSrYStNSks"
    "QbI+gaUJyi0grsQQLKeththfFCaIeSraW53AeiS19g5Pzo4+D48PwMQmxg0yr/HF0afh8d"
    "UJP+Yac2T6Nj/6j6vhFT/EHsbnv8+vTk9Hpx8PeCgRs/7A5K6OjobDYyHnGwZCJm/3YTAS"
    "l5pCS1znaHB6NDwRhwwOm82O5idET8OhUQRdholU2/JvOJHoAo+TxXd/TwHf/b1SfPmpvI"
    "2MQ+mKI05KQo86klHHZFPv+iNPIqWjJm0efDSn/4BGN8Lpa75N822abyvh2xLoJWxbRi+V"
    "XJs6yyaS2qDLU9mCbDU5eSZvJiGnqugoh5L/IMNT56RSAiV8FDcsqTsEc+dw8FW7RyBSeg"
    "vwy6fh+TCgCsFfwbOg+TP5ncUnRS1CLe9e/G1D9p2pvKho2OAzxLit9Dg2dMtBV32acBak"
    "cLvYCVK+ZyxRvK1tLSzPrfW6oWOmfPewffHeEe4K91xCy+Pfl9I9R6fgeXzXfvr1XxSeIc"
    "yFU3iE0K9Ufu2wffG1b9gHL/ho5schpY+Ot2zk1rVNSuAlK984aF7+ymo3jb119Q4eSVS+"
    "MjvvO+KLT/EoSdqWwpMlV6h6rOvwTtc9MLoAbJgGp1cnJ4Un8+DMVbmpaJe65cfRqfyuvG"
    "H+nrUiEOVzyubnkw+HIXp/mfo4CASJO/F/9v7Wa90Es18RaUj1PlUSJz0atZioaw2NE9kW"
    "VXyj9h0E99XOjgoJubNTzkLyc1l842mSKsDJvKp7CDfffTWlryl9Tek39DE5kMKFJPuvnK"
    "NMJNYiKdtmtR6bpWSn+PPXAD6R0Ozw6rhrTv4pUGdTdH66nqFJyWjsV8eeTReMG4eEAVdV"
    "9LNSGv91+n7CkGbRv1hA2y5f5pBmVp80eP5mjflLEDB/vft2P46V8x9VYfKLL4OTk2KsnM"
    "ezie/VXKuQkdLrFRTWK4Qsa40pdyLRvSn37ps3CnNu1qp00i3OZSFOYgiq5jgVddCmeI3l"
    "fpZssVm1HY6FupTB1IRB5uyBT+sDmpZ7Wkx3WoGjTVy3PoqJlMZwq1MT1wewuXREy3WgZ8"
    "xrwJgW0Thu77KMFqH36PV5WjYreoTyPAZFcLXyPFlJvfql1QnImXS1OlrOCOok8zbrOE7t"
    "U6ZEYglNhyjQIXqJRpe/nhbVqdNa3piWQ19vJT3nZbWm26xpXZDw59BzkKY0pogh667oyc"
    "gvofW+FXqvmxZWEOweU7CRUFWI24zXPKxbJq4gqh0OBYcjWr2gGhqM2uvA4OqBwWSZiqo9"
    "SSS0IVEyJEs0mRMiKbRa3rNTIrpzr5GABEXZq3rrlzJCayxj2h7sH1y0lGIN/MmCb9Nhji"
    "eStK6KRJmcXPdMx0YW1IiCy3VwjgW6B7CSaa6wzEXD7FgYy/K9DgmxEcQl5iEWykE8YVKP"
    "GfVJWjVtDw7Pzk4ytvhwlK9tffXlcMh684vsnC6IaPJ1pIWyDvKCDwWiSlYQO5T88Pkc2V"
    "C8ZhH8st2RtjMEl6mxwT/KbCI/rye6JlC58rJdhMkms/UwOiGzbiOEETLX7Een7BLdB6lk"
    "uqOByhLQtnQ/gxogfWCXUAapZZOVUoz46LepokaJiZIUNcrYr+oC4qGtVCtsZFvRVnwQF/"
    "bxA+xSM75n3zecq/wtL3+0zsWqKninkhyx3u6vTTWcyytgbHEqa0urbEoCBeV7J2oUdYXs"
    "nymiZjNHyq5DrsQCbS6hsSp91XgBiwVyXTZrKQJcvr9YSqQTEFd9LZvYXkwXgF2T6i5QV7"
    "oAbGcKwKY8cImzlPXPq70lTgmou0vcjwkdHMLdFCBolwNe8HXhu15UnSjanUhseCTaTdDM"
    "wuVVY9e+aOU+6UFRxco9kEJmRK1QI288xtWlGvUmSC11zPS40mAINflsauCZEdKQ6qF6NT"
    "Ky7khd7LcaWLU5UOaDbdM06B98gVv5PCh9unIiFJfufHgWNAjKNAYTFssFbMrSB4SCJRR/"
    "A2gv4b3bFxs2Fqc7taUfrp1fOs0Q/xd6eDkjELVvxlt92pnGRuotls8pFsRcuZZpJNtmkq"
    "B39nV4eiB65TX+Ori64DVGHei7vOzo8flgFNQrNbkGwoLtT8/ZBNuwrrSmICOpmc/WMZ81"
    "snI2OfycM42Xjz6ps5WDDw1rGauMPaKAFA8pinWLLrAwgIB3wgOwnPMdgoPYI8+qYd+nwa"
    "7BvWXMvNJAAiyJb3NPGpg+kg1Pzd9Aj2CtSuUuH8S4ElcwlikxbSm1pZRbykuf4nJLmTpb"
    "aSk91k7NUn4iS3aKMtsVzLfnbH7N900/EOZq6lP2n+sBfsFgLs4bTNDMx++BixD4JqoruC"
    "+d+29FK9n0xdewkE+9SUGLbOTmZ/ky21ixcE5qE1UXy22RHVx1tVxLTNMvoupUuXHKnK80"
    "T0n9KtXcs1sEAiHgUMJMgvueGZXwiLAcrkccMQljN2fHAuKF76/nAkqWZVloTVx2DaMkY4"
    "PLLZKUBt5+c9Rgwa9yizQnbq09lqL2beYann6KnF5UI+nK5aW+VQN12wBuw2lnYt5Ra0F0"
    "IqF3KFlj2ahrk3o1qmMBvVh3jd0aCDZ8ShE2JEstSg1ITkobEllR1vaU+mob1NvOVaTVPE"
    "dMWRMEV2Gk8rJa1a1W9dJyJaWqK8oEh+27tyq8mRhYS/zq1Po3iVedXR1X7lPzhXiqwRF+"
    "CwCxyZzdcDNZMCUUuIQdZh4vRSZg8HsIe++B79gEmsgU0XfHn9iiaByY3AeLtWShkaYvX5"
    "myyNGqTFh053D3zf5D2YocvnH4VAJXeapi5XbZ7F/X+i8aT+499ODGzeKGfpT4vsrtlG4Q"
    "wlt6j3hv6CApKNwdWu8M3dAYo3eGbh9v3ZawaavA3QgrtECmBQOYaqCcleog1hspGpQaeQ"
    "pYV+XMZ+W65Ek/Svp8Zh85Ps+o0dETiQ528uattd7EY5UZyNZ5uU+07KRl/m5Hlki0E9W1"
    "V0g8DVHwNZjel3MF2Qb9Krog5So8zBhczhGYEB+bLk94JBhFfn2f5zoGKw2Zw87+4Kn5rM"
    "+4iDfkST4u8jymEcmCxqYuqtMm2zNYVy4mdMciZ7ZGmCcrtNLctGUGqOkgjyi/FUC0yuRf"
    "Kt4hnB/ZBdALKTo7Q21JrOAY8aQ1el8+B8i1qJwEhAXH+QxHyKjNBnjqXFizBXhEjNwMPE"
    "5Dy9PsKto+PHavzn/nX26cklaj222Ig1VoweZmte+HsBmu8aqi3tl020Pgr+BZ2P5Z4TmS"
    "zdXEE9V9DtMvDzGUP4Nm/5+U/Y+0WA/trJT2hnNJijqismmOzqe1aquFzbuXoLC7s6eS1c"
    "yblQdUxMksvtGQpApw1L6DnXcjEStNPjZnbuvG/Toc8Wve0E6IKUmYLU9WjtrrFPF1UsS9"
    "cAW6coQvEuhgn26+DgW7u4zAulhA2y6lsGKhpw1d76wBa8BVvd59ux+zU/xHFR918WVwcl"
    "IkoPTm3V3jnR7c26Tc5IfN9eqUNVan6JSDn+HD0rtod1fPLSHuLxCzCBWh+8z5vgpp7woJ"
    "Ncr+F7GW3ZphV2Ti8xh6eBk3WOfOI63BBixRxr4BKb3nLRcusm+RhNtv6qJrBPDbwOj9VG"
    "H8pNMpu0CxRBd9oE1k8hJ2ofo4Z6W6x6huDGofe5aEtK4e9jOCetDXg768Yk4wHFaUzMk0"
    "UBn21cb7AY7C7Jnxtw+WljcPU+i4qQiL3IgxfBlW2nUR5scRlZU9bO66jxH6fzjir6Pceo"
    "1bm0a5rY7IthvaTYVkg8sUIC7n5WIBHYtZJxajPRHtiXQLau2JdM8TydDM0LLZu45dK1xf"
    "VYtozgtrXbdZ16blcpBXCSnkRLWet0LPFEGXSHZeLh8nJaLdGyw3kqWnw7Kd/bZawtwNfN"
    "OqiNalT/erWDvIG6pxdnypjDdnug3JM7JAPGkPmJYpX1dT1XiT7Jp4p6a5Nb2tJz/3GNt6"
    "6n3tO2Ms9eKWR6VSmfkmtA7AsUAH4d0IC3KD7msuv0gk9PKLQm+16jkkiUQH+2vz5sCDdF"
    "aPGU0ktKOn5OiZyIMySrQ8uJJI6LznesGVlnheIxMtHOLx0v7l/lexUb/KC7OS5mq+GK9N"
    "NLWoy7dwdJd8MyACIGBjzXuR6UB8dkIsmvd5foNlJ/sUTxB3yhbQlGRPNHbVmt5divR4wL"
    "VLATWurkxc6tyZ1gzV22snkdAJmSWDTrk3N2UPg6hDQ3dYFfOcmB7vFcb74Mssoly9Pi2R"
    "6lBdpSbWqs0RM2e0VuZESkSP7qunTsjXDl8y6y6HvWTt8FZOWqson+Gvl9VYx4zPydnpx6"
    "h5XgE6VPETsm9ztGr+RlZSq7l1am6JX/QZVfhDycl+ZTTKscbM3VCPRwVpXAdiv9Ngms6L"
    "s/JKrBb3S/pil5cgwVv4KTNCTL4YTB6wWutqDW+zqnO5dS731nkger+SDYcf2KvJ8R1ify"
    "EwTpdHzwYiQtk2Y937PPzXASecrjFzyD4fMH8J31zji+EF3478gBloQQtd48vR0efhJTNU"
    "lnETENZPXx3GNUjNRPtEQmfar+EuakZvo0bdoWhq3dUbNiOJNhubVQ1744bDQXS8sLAvK9"
    "1VvkV5RqhD1F1jpec1s7GKhd4KlzetZnTnWOxyK6g5K6nT2NusZd9d6UtOiWn9tlm/DqQI"
    "ezVzqzJCOr0q5474hsHcJUJrgpqX07i2JvXkmCwx3y65YnONbIt+Fdlqhm3V2VYoegYnAS"
    "0stsqYErqAXh9MkWfwXbEJNtB7sKSW5yHMd8nCgksNt60Gc8gzRdjBW0Qt9s5msAm3SRzW"
    "heSU7OZvKd28O76t+HLELQubeOvlA+1cPpBRnXJmaUqog07rngoZuVfORe4VqMjwo6iBcS"
    "LRQYA3QCfq7Xo3nC6lN6R+2t3odLRos8npVEwCJb27tGunJLrUrxujFAN9jSdOPYuREesS"
    "sI9sMBxKbhGG0uIk5VG2rJSOtK0RaaOI72ZxuxIVl5fVtHrrCLmW0BwD5qob856srEFwpl"
    "+ZQ5a0eYjUKFdsw8lcP4vrv+ZAW+7U3yJa16VPiegJo9qEkX9UNRAOm3cQ3Y0kb4WUZJ2p"
    "S0pEz1u2abnoj/8DlkPmKw=="
)
