"""The measures of execution quality: unit and definition of each, in both languages, to be printed beside the number.

Costs are positive when less was received. s = -1, because everything here is a sale (Perold 1988 for the shortfall).
"""

from typing import NamedTuple


class Measure(NamedTuple):
    """``unit`` is ``px``, ``money``, ``qty``, ``bps``, ``share`` (a fraction of one), ``seconds`` or ``count``."""

    unit: str
    en: str
    zh: str
    name_en: str
    name_zh: str


_SLIP = "(reference - average price) / reference, in basis points; positive: sold lower"
_SLIP_ZH = "（参考价－成交均价）÷参考价，以基点计；为正表示成交价低于参考价"

MEASURES: dict[str, Measure] = {
    "decision_px": Measure(
        "px",
        "P_d: mean of the venues' mid prices when the parent order began",
        "母单启动时各平台买卖中间价的平均值（P_d）",
        "Decision price",
        "决策时点价格",
    ),
    "arrival_px": Measure(
        "px",
        "P_a: mean of the venues' mid prices recorded with the first order that was sent",
        "首笔委托发出时留存的各平台中间价平均值（P_a）",
        "Arrival price",
        "到达时点价格",
    ),
    "end_px": Measure(
        "px",
        "P_end: the last mid recorded, at the latest when the parent order ended",
        "母单结束前最后一次留存的中间价（P_end）",
        "Closing price",
        "结束时点价格",
    ),
    "ordered_qty": Measure("qty", "Q: quantity of the parent order", "母单数量（Q）", "Ordered", "计划数量"),
    "filled_qty": Measure("qty", "F: quantity sold", "实际卖出数量（F）", "Sold", "成交数量"),
    "avg_px": Measure(
        "px",
        "money received before fees / quantity sold",
        "扣费前成交金额÷成交数量",
        "Average price",
        "成交均价",
    ),
    "notional": Measure("money", "money received before fees", "扣费前成交金额", "Gross amount", "成交金额"),
    "fees": Measure("money", "fees in the quote asset", "以计价货币收取的费用", "Fees", "费用"),
    "fees_bps": Measure("bps", "fees / gross amount", "费用÷成交金额", "Fees, relative", "费率"),
    "is_delay": Measure(
        "money", "F (P_d - P_a): what the price did before the first order", "F×(P_d－P_a)", "Delay", "延迟成本"
    ),
    "is_execution": Measure(
        "money", "F P_a - money received before fees", "F×P_a－扣费前成交金额", "Execution", "执行成本"
    ),
    "is_opportunity": Measure(
        "money",
        "(Q - F) (P_d - P_end): what the unsold rest lost or gained",
        "(Q－F)×(P_d－P_end)，未成交部分的价值变动",
        "Opportunity",
        "机会成本",
    ),
    "is_fees": Measure("money", "all fees", "全部费用", "Fees in the shortfall", "费用成本"),
    "is_total": Measure(
        "money",
        "Q P_d - (money received - fees) - (Q - F) P_end; exactly the sum of the four parts (Perold)",
        "Q×P_d－（成交金额－费用）－(Q－F)×P_end，恒等于上列四项之和（Perold 执行差额）",
        "Implementation shortfall",
        "执行差额合计",
    ),
    "is_total_bps": Measure(
        "bps", "shortfall / (Q P_d)", "执行差额÷(Q×P_d)", "Implementation shortfall, relative", "执行差额（基点）"
    ),
    "arrival_slippage_bps": Measure(
        "bps", f"{_SLIP}; reference: P_a", f"{_SLIP_ZH}；参考价为 P_a", "Slippage v arrival", "相对到达价滑点"
    ),
    "interval_twap_px": Measure(
        "px",
        "time-weighted mean of the mids (of candles: the closes) from the first order to the last fill",
        "首笔委托至末笔成交期间中间价（K 线则取收盘价）的时间加权平均",
        "Interval TWAP",
        "区间时间加权均价",
    ),
    "twap_slippage_bps": Measure(
        "bps",
        f"{_SLIP}; reference: interval TWAP",
        f"{_SLIP_ZH}；参考价为区间时间加权均价",
        "Slippage v TWAP",
        "相对时间加权均价滑点",
    ),
    "interval_vwap_px": Measure(
        "px",
        "sum of candle volume x (high + low + close) / 3 over the candles that touch the interval, / their volume; a "
        "volume in money is divided by that price first",
        "与区间相交的各 K 线成交量×（最高＋最低＋收盘）÷3 之和，除以总成交量；成交量以金额计的，先除以该价格",
        "Interval VWAP",
        "区间成交量加权均价",
    ),
    "vwap_slippage_bps": Measure(
        "bps",
        f"{_SLIP}; reference: interval VWAP",
        f"{_SLIP_ZH}；参考价为区间成交量加权均价",
        "Slippage v VWAP",
        "相对成交量加权均价滑点",
    ),
    "participation": Measure(
        "share",
        "quantity sold / volume of the candles that touch the interval",
        "成交数量÷与区间相交的各 K 线成交量之和",
        "Participation",
        "参与率",
    ),
    "participation_worst": Measure(
        "share",
        "the largest such share over the 15 minutes that end at a fill; from candles of 5 minutes at most",
        "以每笔成交为终点的 15 分钟窗口内参与率的最大值（K 线不长于 5 分钟时方予计算）",
        "Participation, worst 15 minutes",
        "15 分钟最高参与率",
    ),
    "effective_half_spread_bps": Measure(
        "bps",
        "sum q (mid at the order's intent - price) / sum q mid",
        "Σ数量×（下单时中间价－成交价）÷Σ数量×中间价",
        "Effective half-spread",
        "有效半价差",
    ),
    "realised_half_spread_bps": Measure(
        "bps",
        "sum q (mid 5 min after the fill - price) / sum q mid at the order's intent; fills with such a mid only",
        "Σ数量×（成交后 5 分钟中间价－成交价）÷Σ数量×下单时中间价，仅计有该中间价的成交",
        "Realised half-spread",
        "已实现半价差",
    ),
    "passive_share": Measure(
        "share",
        "quantity filled by orders that could only rest (post-only) / quantity sold",
        "只挂单（post-only）委托成交数量÷成交数量",
        "Passive share",
        "挂单成交占比",
    ),
    "fill_rate": Measure(
        "share", "quantity filled / quantity of all orders sent", "成交数量÷已发出的全部委托数量", "Fill rate", "成交率"
    ),
    "time_to_fill": Measure(
        "seconds",
        "from the order's intent to the fill (venue's time), weighted by quantity",
        "自下单意向留痕至成交（平台时间）的时长，按数量加权",
        "Time to fill",
        "平均成交时长",
    ),
    "cancel_ratio": Measure(
        "share",
        "orders that the venue had and that ended with quantity unfilled / orders that the venue had",
        "已被平台受理但未全部成交即终结的委托笔数÷已受理委托笔数",
        "Cancel ratio",
        "撤单率",
    ),
    "counterfactual_bps": Measure(
        "bps",
        "(mean of the mids had we not traded, weighted by the quantity sold - average price) / that mean; simulated "
        "markets of the planning mode only: a record does not hold it",
        "（未发生本次卖出情形下的中间价按成交数量加权平均－成交均价）÷该平均值；仅模拟市场可得，记录中不留存",
        "Cost v counterfactual mid",
        "相对无交易中间价成本",
    ),
    "floor_distance_bps": Measure(
        "bps",
        "(average price - floor) / floor; never negative; where the floor was raised: mean of those in force when "
        "each order was made, weighted by the quantity sold",
        "（成交均价－底价）÷底价，不得为负；底价曾上调的，取各委托下单时有效底价按成交数量加权的平均值",
        "Above the floor",
        "均价高于底价",
    ),
    "floor_distance_worst_bps": Measure(
        "bps",
        "the least (fill price - floor) / floor of any fill, the floor in force when it was ordered; never negative",
        "各笔成交（成交价－底价）÷底价的最小值，底价取该笔委托下单时有效者，不得为负",
        "Nearest fill above the floor",
        "最接近底价成交的高出幅度",
    ),
    "benchmark_distance_bps": Measure(
        "bps",
        "(average price - benchmark) / benchmark, the benchmark being for each fill the one in force when it was "
        "ordered, weighted by quantity; positive: sold higher",
        "（成交均价－基准价）÷基准价，基准价取各笔成交下单时有效者按数量加权；为正表示高于基准价",
        "Above the benchmark",
        "均价高于基准价",
    ),
}
MARKOUT_S = (1, 10, 60, 300)
REVERSION_MIN = (5, 30, 60)
for _seconds in MARKOUT_S:
    MEASURES[f"markout_{_seconds}s_bps"] = Measure(
        "bps",
        f"sum q (price - mid {_seconds} s after) / sum q price: the latest mid seen after the fill and at most "
        f"{_seconds} s later; fills with such a mid only; positive: the price fell after we sold",
        f"Σ数量×（成交价－成交后 {_seconds} 秒内最近中间价）÷Σ数量×成交价，仅计有该中间价者；为正表示卖出后价格下行",
        f"Markout {_seconds} s",
        f"成交后 {_seconds} 秒价格变动",
    )
    MEASURES[f"markout_{_seconds}s_seen"] = Measure(
        "share",
        f"share of the quantity sold for which a mid was seen within {_seconds} s after the fill",
        f"成交后 {_seconds} 秒内留有中间价的成交数量占比",
        f"Markout {_seconds} s rests on",
        f"{_seconds} 秒价格变动的样本占比",
    )
for _minutes in REVERSION_MIN:
    MEASURES[f"reversion_{_minutes}min_bps"] = Measure(
        "bps",
        f"(mid {_minutes} min after the last fill - mid at its intent) / mid at its intent: the latest seen after it "
        f"and at most {_minutes} min later; positive: the price came back",
        f"（末笔成交后 {_minutes} 分钟内最近中间价－其下单时中间价）÷其下单时中间价；为正表示价格回升",
        f"Reversion {_minutes} min",
        f"结束后 {_minutes} 分钟价格回归",
    )

QUOTE_MEASURES: dict[str, Measure] = {
    "spread_bps": Measure(
        "bps",
        "(mean of the venues' mids when asked - quoted net price) / that mid",
        "（询价时各平台中间价平均值－报价净价）÷该中间价",
        "Spread v mid",
        "相对中间价差",
    ),
    "rank": Measure(
        "count",
        "place among the quotes of the round that could be taken, best first",
        "本轮可采纳报价中的名次",
        "Rank",
        "名次",
    ),
    "cover_bps": Measure(
        "bps",
        "(best - second best) / best of the quotes of the round that could be taken",
        "（最优报价－次优报价）÷最优报价，仅计可采纳的报价",
        "Cover",
        "领先次优",
    ),
    "response_s": Measure("seconds", "from asking to the answer", "自询价至收到答复", "Response", "响应时长"),
    "hold_s": Measure(
        "seconds",
        "from the intent to accept to the venue's answer: how long we were held",
        "自发出接受意向至平台确认的时长",
        "Hold",
        "确认时长",
    ),
    "rejects": Measure(
        "count", "quotes that were accepted by us and then not executed", "我方接受后未获成交的报价", "Rejects", "拒绝"
    ),
}
