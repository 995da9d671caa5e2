from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP INDEX IF EXISTS "job_waiting";
        DROP INDEX IF EXISTS "job_due";
        CREATE TABLE IF NOT EXISTS "queue" (
    "name" VARCHAR(64) NOT NULL PRIMARY KEY,
    "mode" VARCHAR(16) NOT NULL,
    "changed_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON COLUMN "queue"."mode" IS 'OPEN: open\nPAUSED: paused\nDRAINING: draining';
COMMENT ON TABLE "queue" IS 'A queue that is not, or was not always, open.';
        CREATE TABLE IF NOT EXISTS "rate" (
    "name" VARCHAR(255) NOT NULL PRIMARY KEY,
    "next_at" TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE "rate" IS 'A limit of starts in a time: when, at an even pace, the next start would be due.';
        ALTER TABLE "job" ADD "limits" JSONB;
        ALTER TABLE "job" ADD "checkpoint" JSONB;
        ALTER TABLE "job" ADD "place" DOUBLE PRECISION;
        ALTER TABLE "job" ADD "timeout_s" DOUBLE PRECISION;
        ALTER TABLE "job" ADD "attempted_at" TIMESTAMPTZ;
        ALTER TABLE "job" ADD "cancel_reason" VARCHAR(255);
        CREATE INDEX IF NOT EXISTS "job_scheduled" ON "job" ("due_at") WHERE state = 'scheduled';
        CREATE INDEX IF NOT EXISTS "job_queued" ON "job" ("queued_at", "id") WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS "job_blocked" ON "job" ("limits", "place") WHERE state = 'blocked';
        CREATE INDEX IF NOT EXISTS "job_running" ON "job" ("worker") WHERE state = 'running';
        ALTER TABLE "attempt" DROP CONSTRAINT IF EXISTS "attempt_job_id_fkey";
        ALTER TABLE "job_event" DROP CONSTRAINT IF EXISTS "job_event_job_id_fkey";
        UPDATE "job" SET "place" = extract(epoch FROM "queued_at") - 60 * "priority"
            WHERE "state" NOT IN ('succeeded', 'failed', 'cancelled');
        UPDATE "job" SET "attempted_at" = "attempt"."started_at" FROM "attempt"
            WHERE "attempt"."job_id" = "job"."id" AND "attempt"."number" = "job"."attempt" AND "job"."state" = 'running';
        DELETE FROM "attempt" WHERE "finished_at" IS NULL;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        INSERT INTO "attempt" ("job_id", "number", "worker", "started_at")
            SELECT "id", "attempt", "worker", "attempted_at" FROM "job" WHERE "state" = 'running';
        ALTER TABLE "attempt" ADD CONSTRAINT "attempt_job_id_fkey"
            FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE;
        ALTER TABLE "job_event" ADD CONSTRAINT "job_event_job_id_fkey"
            FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE;
        DROP INDEX IF EXISTS "job_running";
        DROP INDEX IF EXISTS "job_blocked";
        DROP INDEX IF EXISTS "job_queued";
        DROP INDEX IF EXISTS "job_scheduled";
        ALTER TABLE "job" DROP COLUMN "limits";
        ALTER TABLE "job" DROP COLUMN "checkpoint";
        ALTER TABLE "job" DROP COLUMN "place";
        ALTER TABLE "job" DROP COLUMN "timeout_s";
        ALTER TABLE "job" DROP COLUMN "attempted_at";
        ALTER TABLE "job" DROP COLUMN "cancel_reason";
        DROP TABLE IF EXISTS "queue";
        DROP TABLE IF EXISTS "rate";
        CREATE INDEX IF NOT EXISTS "job_due" ON "job" ("state", "due_at");
        CREATE INDEX IF NOT EXISTS "job_waiting" ON "job" ("state", "queued_at");"""


MODELS_STATE = (
    "eJztXW1z27gR/isYfUk6o2Yc+S21287IMpPo4sg5y26ud7nhQSQksaYAhgStuGn+ewGQ4i"
    "tIk3qxKB2+JBaAJchnwcXugwX4vQXdr96D8apLKZo59AYZxDVbZ+B7C8MZYn/IG7RZuePE"
    "1byAwpEdSARNRaORR11oUFY8hraHWJGJPMO1HGoRzBtfYwRCAUDGAIL/kFEbzF2LlWEwn7"
    "J/LAqm0AMIm8g8B3SKAGFCdAopcH3sAY9CbHrAwqKOyb/wgEvmr/gNmMRgd2DhyTP05WPr"
    "q490SiaIVbqsx99+a7EmvA77sxEr+v139rfFLv4Nebye/3Tu9bGF7DTqlsBYlOv00RFlF9"
    "akj+lb0ZY/2kg3iO3PcNzeeaRTgiMBCwslTBBGLqSI90BdH4nbse1QXQu9BHcfNwnuMiFj"
    "ojH0ba5KLh3cQFzW0vXB9a0+1G51vZVT80IioY2wyCCYDxF2q54AYMJv4a9/63QOD087B4"
    "cnb46PTk+P3xy8YW3F/earTn8ENxOjFVxKYNZ/1x/c8hsibBwG45MX/BAykMJASigjRj/U"
    "Vk4DhfDHAk+rYAF4mQ4WBbES4tfn+bTQeX10evTm8OQoAj8qKcN8gW+M55y49zI8e1Poyg"
    "GNJTKAstvcRUBn8JtuIzyhU/bzdedNCXz/6t703ndvXrJWf0kP3EFY1Qnq0hgzy+QyPHRI"
    "8zhfMqSoNUNyrNOSGbzNUPTV4o8dRL8E7Nv+R2142/34iV9+5nlfbYFX91bjNR1R+pgpfX"
    "mS0Ut0EfC5f/se8J/g1+uBJuAkHp24ose43e2vLX5P0KdEx2SuQzOJyaJ4UZRS89jCljdd"
    "Ss8Z0TUoOpwZlJ7Xr2fiU4MESqhqMxMiSxnNhmkzYzNPqpjMrMYSFvMkazCR6xLJnPTT8H"
    "ogxzcSyL45lkHB/4BteVXm+oahXIIqRyL1uizQfPmx+0sW6N7V9UX2PeAXuMigzsMBNILG"
    "fR75W/StwL1KCe3D2C6zVNovt+WoR4bq6nrwbtE8q4o06g6C9/oMzYj7qI8eKeuuVnQhFV"
    "/K022YHp4z3Ii1YTi+LtHAW5vAAgVEEhnQx1xk92AvQfDy+u7iSgOfbrRef9gPDVA0M4tK"
    "XsQKLCoguNG6Vxl8WcytywLou7v+pRzfWCIDsO9b5isut19ur7Anh8FsmbTY4kl//OC0xP"
    "heGhqHfEZm5BIXWRP8AT0KePuY0ySGzBMJ2aSfyChmknYT1rg0cQMunEdkTmJQMQBMZKNg"
    "wPa6w173UmsJlPmkNoeuqafg5jWkQzIlUdt81awzy5ZADCcCHP4UwgsNoNceEC7h+ZLV7T"
    "KWjz8d4o2r83zGFOIJiqi3F4JOo+gc/OGhr38Ag/gMYjB2yQy8BnOLDRyfsqYT6Mi5vBWv"
    "V8bXsQsosq5Js2cxWcdVlYO/EPuwtaLpJH5JfUpBUUY7QCUIoygnEjTsz3JTdpYcpMtTCs"
    "+k1tbF1XXvg3Z5BkY2Me6R+QUPe++1y7srXuYZU2T6Ni/9+U6740XsZnz+++ZuMOgP3p3x"
    "xR3MxgOTu+v1NO1SyPmGgZDJ273t9sWlxtAS1+l1Bz3tShQZHDablWanqO2wGi6CHsNEqm"
    "35OxxL7ENkncb35KgCvidHhfjyqqyNjBY3K844CQk160hmHZP5YPVnnlhK8dhNnnwUy/qE"
    "RjfCsioGRDEgigEpYEBi6CX8R0ovpexHdd5DpBlBjycXBflDcjpD3kzCUmR4ie+t+MFbZI"
    "6DvAmGO2+HvjlsZHvsbiJgkkYiar4Yni0hwx5K/BBGJXH1wG8OJ95qPQQihV2Az++1Gy0g"
    "bsA/wIug+Ytcz+F8X6HDyN2v3Gckke/WtmYWDZh3G7L3uUL/YQhSufewfb7vMAemQpdh9F"
    "K5y7B9vst7NqwE/cWiBVRJvbzlcl3XotOKJ671T1pPc2qtv499bPBXHIie+D9H/2w1bhZr"
    "l9Bm0ZtfOb1gIdBkJqAxceLiTaqK7qL9HoL7+uCgCstxcFBMc/C6NL5inqgDcCSwhwivf/"
    "gqzlBxhoozXNPL5EAXziQJH8UkSCyxEgvSNKv13DQIq+L3XwP4WELRT8vjrki/baDuuIRX"
    "1zM0CRmF/fLYM3fBuHdIuKJTFf20lMJ/lbFvEdeij3n0hzNo28WZrQm57a7OHa/gvwQrco"
    "ed05NoMY7/KFuHG37sXl3lF+P4ghnxac301JSUSlGtkKIaEmw1XO5YYv9c7s7xcQWfm7Uq"
    "dLpFXRrimLqtao4TZK8yxSvs8LBk+wvK7XAktE8pEuswyJw98N36gCbltovpQSNwtInn1U"
    "cxllIY7nTu0+oAri/fyfIcSI1pDRiTIgrH3c37bhB6z34kQ8O8omc4kcFwEVzuRIa0pEqv"
    "b3SGYyonpo6WU4Iqi7XJOg6Sf3L6LaFEIglFh1SgQ1QO+D6/PQ06mkhpeWNaDmO9pfSclV"
    "WabrKm1RlUfw49B2lKuosYst6SkYz8EkrvO6H3umlhOcH9YwrWtlSV22FUvBkmN8fKjm8K"
    "Jd9+uEE2FM+Yx7/oLN/dZA9S+4/4oEnnIPGzSVYEKnMYyj7ChBEyV0RpwC6x/yCxuWskSS"
    "9RQKU9Q1t6tlwNkN6yS1QGqWFTRSFGm9zOmBhVkv2M6TFXfpwTH+aiVdVdjcHB6BATvjMR"
    "CFNyxrcvznyPLlLhwQiNiYuCs9RFuxGaWLh4D+TKFy09h128ybmjnVKb4MK3vdr2Rt5YD6"
    "/aLtxGWWuvmzo6itc9x9FRapv8yhsMc5NkPTxTQgpSdfLAchNsu+bBA/lxq4CtBGzqfW3S"
    "oQ4/88XUYjcoWV3qB0XbRJ92grrBlsDAX7E8wDyWNiAumEPxN4D2HD56rMhBOO/t1JZ++i"
    "CIQi9D/J8b4MU8zqL9evZvbtfR2MjevmKXYkbMpffNLmQbvW32+pM2OBOj8gv+1L0b8v2s"
    "DvQ9vsX18qbbD/bGmlwD4bkQ29/gGhwUuxR/nZJUmTiN461r0KibnH5umMaLZ59Ebenk44"
    "b75qvMPWKzAj/7WKyRi0+SQcAH4Zn4klkbiCAacBqUvZ8GuwYPljELSgMJMCe+zQNpYPpI"
    "Nj2tvwM1gzVo/aFsEuNKXMJYJsSUpVSWUm4pP4s04mJbmaovtZZxQnI1wtK2HhAIhIDjEg"
    "N53jkzaWGJ8MM9Shxh6VjnrCyIbviJbCVflFzPZVewjTLGpdgySqmW3beLa8zgLraLU+JJ"
    "jGIx1ov2TXbotz8PJdJsZUO5eO92VTJ8F8Bd8/YOwS3U2vwaS6gjZ1Y5CIJgw3ddhA3JYn"
    "HhUM5IqSEt2+/VnCzipkG9665pUs1TxJQ1QnCZACQrq1TdOFU3JApJZJlIYpB0DkpxBMLT"
    "XaryNbwLALHJORNxlCoYExd4hJWy8MBFJmCapgjTc+A7NoEmMsV6gOOPbJEyDUaPwXeuZG"
    "TNmq9emkLBsSpNoPCmsHN88lT2BAdPD+9KoLqG1Al1TLA6JngHlo+awms2CtyNRJQzZFow"
    "gKkGymmpPcR6I0cye9Z/0TJfF07L7VPs88zfFQ7n3RoDPZbYw0G+fmutTnRYxvvYibikAV"
    "9PamYy+66nMDYT1ZUzGLcTNjMVFUfNcWW7LGiGjqXfo8fq63YeYtaTnonlMtOaII+2Rag7"
    "nxIP8Z0BVsFmgqqCa157U0GoCkJ3yq1RQehmA6PibwE9nRO6C98Fan3Q/n0GmE3/gq/6gw"
    "9nwLbw/Rc81Ib8PKAzZocFA5i10dvJBQ0mgjrDPZbYu6wJFSI1w6HeuRAJfXMsdrkl1JyW"
    "VAeBNE3LDVmgu2QuHF+nKg43Mi1KYw4zbFs96ICGEcxaIm2PFYyJO4MsgBgjyr8NxsoMdA"
    "7mrkUpwiIjWsQZ4YIWmEIPjBArfECuxZ7ZDFbnTMJPuZKHK5vvUrqsF3Ur3mTRZW55T+1f"
    "buT+5bTqKrozKaEmu5VL+jRHVTz4o2IH/ijnv4cvRQ2MY4k9BHj9PrlauNj05zzV0tx2l+"
    "YUxbLZdX5XOIGS0V04tBMS+zSu15ZuG+hLHzn1LEZKbJ+AfWaD4bjkAeEFJVg1iT8tpRL5"
    "V/p2LP8m1cNSVFZWVpFZiuaQ0xxdFqob05aE3ghr2qVLqXGbp0iNYsWuefXzzxL6rzjRFg"
    "f1D8itG9InRJTDWM1h5C9VDYTD5nuI7kZWPBNp/VVdl4SI8ltq+i1bncx+/B+WzuM7"
)
